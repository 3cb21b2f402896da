package process

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/flink-go/flink-go/core"
)

// How many workers keep their output files: a job that fails every second, or thousands of short jobs, must not fill
// the disk.
const (
	keepPerJob = 8
	keepInAll  = 256
)

// outputs makes the output files of workers and removes old ones.
type outputs struct {
	dir   string
	limit int64
	log   *slog.Logger

	mu   sync.Mutex
	kept []output // oldest first
}

// output is the pair of files of one worker.
type output struct {
	job  core.JobID
	base string // path without suffix
}

// suffixes of all files that a worker may have.
var outputSuffixes = [...]string{".out", ".err", ".out" + rotatedSuffix, ".err" + rotatedSuffix}

// open makes the files of a new worker. number is where to begin to look for a name that is free: other TaskManagers
// may write into the same directory.
func (o *outputs) open(job core.JobID, number int) (out, errs *stream, err error) {
	base, outFile, err := o.create(job, number)
	if err != nil {
		return nil, nil, err
	}
	errFile, err := os.OpenFile(base+".err", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		_ = outFile.Close()
		return nil, nil, fmt.Errorf("making the output files of a worker: %w", err)
	}
	o.keep(output{job, base})
	if out, err = newStream(outFile, o.limit); err != nil {
		_ = errFile.Close()
		return nil, nil, err
	}
	if errs, err = newStream(errFile, o.limit); err != nil {
		out.close()
		return nil, nil, err
	}
	return out, errs, nil
}

// maxNames bounds the search for a free name.
const maxNames = 10_000

func (o *outputs) create(job core.JobID, number int) (base string, file *os.File, err error) {
	for n := number; n < number+maxNames; n++ {
		base = filepath.Join(o.dir, fmt.Sprintf("worker-%s-%d", job, n))
		file, err = os.OpenFile(base+".out", os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("making the output files of a worker: %w", err)
	}
	return base, file, nil
}

// keep notes a worker's files and removes those that are too many.
func (o *outputs) keep(fresh output) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, fresh)
	ofJob, first := 0, 0
	for i, k := range o.kept {
		if k.job == fresh.job {
			if ofJob == 0 {
				first = i
			}
			ofJob++
		}
	}
	switch {
	case ofJob > keepPerJob:
		o.remove(first)
	case len(o.kept) > keepInAll:
		o.remove(0)
	}
}

func (o *outputs) remove(i int) {
	for _, suffix := range outputSuffixes {
		if err := os.Remove(o.kept[i].base + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			o.log.Warn("removing the output of an older worker", "job", o.kept[i].job, "cause", err)
		}
	}
	o.kept = append(o.kept[:i], o.kept[i+1:]...)
}
