package driver_test

import (
	"os"
	"os/exec"
	"testing"
)

// A TaskManager does not outlive a JobManager that is killed.
func TestChildrenDieWithTheParent(t *testing.T) {
	fifo, read := newFIFO(t)
	parent := exec.Command(os.Args[0])
	parent.Env = []string{"DRIVER_TEST_ROLE=parent", "DRIVER_TEST_FIFO=" + fifo}
	parent.Stderr = os.Stderr
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	_, ended := read()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	ended()
}
