package rest

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/flink-go/flink-go/core"
)

// TaskManagers is GET /taskmanagers.
type TaskManagers struct {
	TaskManagers []TaskManager `json:"taskmanagers"`
}

// TaskManager is one TaskManager of the cluster.
type TaskManager struct {
	ID       core.ResourceID `json:"id"`
	Path     string          `json:"path"`
	DataPort int             `json:"dataPort"`
	JMXPort  int             `json:"jmxPort"` // always -1
	// LastHeartbeat is in ms since 1970, in spite of its name in JSON.
	LastHeartbeat       int64               `json:"timeSinceLastHeartbeat"`
	Slots               int                 `json:"slotsNumber"`
	FreeSlots           int                 `json:"freeSlots"`
	TotalResource       Resource            `json:"totalResource"`
	FreeResource        Resource            `json:"freeResource"`
	Hardware            Hardware            `json:"hardware"`
	MemoryConfiguration MemoryConfiguration `json:"memoryConfiguration"`
}

// Resource is an amount of cores and memory; memory in MiB.
type Resource struct {
	CPUCores          float64            `json:"cpuCores"`
	TaskHeapMemory    int64              `json:"taskHeapMemory"`
	TaskOffHeapMemory int64              `json:"taskOffHeapMemory"`
	ManagedMemory     int64              `json:"managedMemory"`
	NetworkMemory     int64              `json:"networkMemory"`
	ExtendedResources map[string]float64 `json:"extendedResources"`
}

// Hardware is what a TaskManager's machine has; memory in bytes.
type Hardware struct {
	CPUCores       int   `json:"cpuCores"`
	PhysicalMemory int64 `json:"physicalMemory"`
	FreeMemory     int64 `json:"freeMemory"`
	ManagedMemory  int64 `json:"managedMemory"`
}

// MemoryConfiguration are Flink's parts of a worker's memory in bytes. A Go worker has one budget: it is shown as task
// heap and as the totals.
type MemoryConfiguration struct {
	FrameworkHeap      int64 `json:"frameworkHeap"`
	TaskHeap           int64 `json:"taskHeap"`
	FrameworkOffHeap   int64 `json:"frameworkOffHeap"`
	TaskOffHeap        int64 `json:"taskOffHeap"`
	NetworkMemory      int64 `json:"networkMemory"`
	ManagedMemory      int64 `json:"managedMemory"`
	JVMMetaspace       int64 `json:"jvmMetaspace"`
	JVMOverhead        int64 `json:"jvmOverhead"`
	TotalFlinkMemory   int64 `json:"totalFlinkMemory"`
	TotalProcessMemory int64 `json:"totalProcessMemory"`
}

// TaskManagerDetails is GET /taskmanagers/:taskmanagerid.
type TaskManagerDetails struct {
	TaskManager
	AllocatedSlots []AllocatedSlot    `json:"allocatedSlots"`
	Metrics        TaskManagerMetrics `json:"metrics"`
}

// AllocatedSlot is a slot that a job has.
type AllocatedSlot struct {
	JobID    core.JobID `json:"jobId"`
	Resource Resource   `json:"resource"`
}

// TaskManagerMetrics are Flink's numbers of a worker's virtual machine, as far as there are such numbers here.
type TaskManagerMetrics struct {
	HeapUsed                       int64              `json:"heapUsed"`
	HeapCommitted                  int64              `json:"heapCommitted"`
	HeapMax                        int64              `json:"heapMax"`
	NonHeapUsed                    int64              `json:"nonHeapUsed"`
	NonHeapCommitted               int64              `json:"nonHeapCommitted"`
	NonHeapMax                     int64              `json:"nonHeapMax"`
	DirectCount                    int64              `json:"directCount"`
	DirectUsed                     int64              `json:"directUsed"`
	DirectMax                      int64              `json:"directMax"`
	MappedCount                    int64              `json:"mappedCount"`
	MappedUsed                     int64              `json:"mappedUsed"`
	MappedMax                      int64              `json:"mappedMax"`
	ShuffleMemorySegmentsAvailable int64              `json:"nettyShuffleMemorySegmentsAvailable"`
	ShuffleMemorySegmentsUsed      int64              `json:"nettyShuffleMemorySegmentsUsed"`
	ShuffleMemorySegmentsTotal     int64              `json:"nettyShuffleMemorySegmentsTotal"`
	ShuffleMemoryAvailable         int64              `json:"nettyShuffleMemoryAvailable"`
	ShuffleMemoryUsed              int64              `json:"nettyShuffleMemoryUsed"`
	ShuffleMemoryTotal             int64              `json:"nettyShuffleMemoryTotal"`
	GarbageCollectors              []GarbageCollector `json:"garbageCollectors"`
}

// GarbageCollector is the work of one collector.
type GarbageCollector struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Time  int64  `json:"time"`
}

// Logs is GET /jobmanager/logs and /taskmanagers/:taskmanagerid/logs.
type Logs struct {
	Logs []LogFile `json:"logs"`
}

// LogFile is a file that /logs/:filename serves.
type LogFile struct {
	Name  string `json:"name"`
	Size  int64  `json:"size"`
	MTime int64  `json:"mtime"` // ms since 1970
}

// ThreadDump is GET .../thread-dump: goroutines here.
type ThreadDump struct {
	Threads []Thread `json:"threadInfos"`
}

// Thread is one goroutine, or several with the same stack.
type Thread struct {
	Name string `json:"threadName"`
	Info string `json:"stringifiedThreadInfo"`
}

// Jars is GET /jars: the uploaded programs.
type Jars struct {
	Address string `json:"address"`
	Files   []Jar  `json:"files"`
}

// Jar is an uploaded program.
type Jar struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Uploaded int64      `json:"uploaded"` // ms since 1970
	Entry    []JarEntry `json:"entry"`
}

// JarEntry is a way to start a program; a Go binary has one.
type JarEntry struct {
	Name        string  `json:"name"`
	Description *string `json:"description"`
}

// JarUpload is the answer to POST /jars/upload.
type JarUpload struct {
	FileName string `json:"filename"` // its base name is the jar's id
	Status   string `json:"status"`
}

// JarRun is the body of POST /jars/:jarid/run and of /plan.
type JarRun struct {
	EntryClass   string            `json:"entryClass,omitempty"`
	Args         []string          `json:"programArgsList,omitempty"`
	ArgsText     string            `json:"programArgs,omitempty"` // one text, split as a shell does
	Parallelism  Count             `json:"parallelism,omitempty"`
	JobID        *core.JobID       `json:"jobId,omitempty"`
	Settings     map[string]string `json:"flinkConfiguration,omitempty"`
	SavepointURI string            `json:"savepointPath,omitempty"`
}

// JarRunResult is the answer to POST /jars/:jarid/run.
type JarRunResult struct {
	JobID core.JobID `json:"jobid"`
}

// SubmitRequest is the part "request" of POST /jobs: the names of the parts that follow.
type SubmitRequest struct {
	PlanFile  string   `json:"executionPlanFileName,omitempty"`
	GraphFile string   `json:"jobGraphFileName,omitempty"` // the key of Flink 1.x
	JarFiles  []string `json:"jobJarFileNames,omitempty"`
}

// Submitted is the answer to POST /jobs.
type Submitted struct {
	JobURL string `json:"jobUrl"`
}

// Count is a whole number that may be written as a JSON string too: Flink's dashboard does.
type Count int

// UnmarshalJSON reads 2 and "2"; an empty string is 0.
func (c *Count) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return &json.UnmarshalTypeError{Value: "number " + string(b), Type: reflect.TypeFor[int]()}
	}
	*c = Count(n)
	return nil
}
