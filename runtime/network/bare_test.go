package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// bareSender names the address to which the process is to send as BenchmarkBareTCP's other half.
const bareSender = "FLINKGO_TEST_BARE_SENDER"

const bareRecord = 24

// BenchmarkBareTCP is what the latency of a paced stream can be at best here: another process sends what is due every
// 100 us, 24 bytes a record over one connection, without an engine. examples/latency sends the same with one.
func BenchmarkBareTCP(b *testing.B) {
	for _, rate := range []int{10_000, 100_000, 300_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) { bareTCP(b, rate) })
	}
}

func bareTCP(b *testing.B, rate int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sender := exec.CommandContext(b.Context(), os.Args[0], l.Addr().String(), strconv.Itoa(rate), strconv.Itoa(b.N))
	sender.Env = append(os.Environ(), bareSender+"=1")
	sender.Stderr = os.Stderr
	if err := sender.Start(); err != nil {
		b.Fatal(err)
	}
	nc, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	r, _ := quickIO(nc)
	took := make([]int64, 0, b.N)
	buf := make([]byte, readBuffer)
	before := processCPU(b)
	b.ResetTimer()
	for have := 0; ; {
		n, err := r.Read(buf[have:])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		have += n
		now, at := time.Now().UnixNano(), 0
		for ; at+bareRecord <= have; at += bareRecord {
			took = append(took, now-int64(binary.LittleEndian.Uint64(buf[at:])))
		}
		have = copy(buf, buf[at:have])
	}
	b.StopTimer()
	used := processCPU(b) - before
	if err := sender.Wait(); err != nil || len(took) != b.N {
		b.Fatalf("%d records of %d: %v", len(took), b.N, err)
	}
	used += sender.ProcessState.UserTime() + sender.ProcessState.SystemTime()
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	slices.Sort(took)
	for _, q := range []float64{50, 99, 99.9} {
		b.ReportMetric(float64(took[int(float64(len(took)-1)*q/100)])/1000, fmt.Sprintf("p%v-us", q))
	}
}

// sendBare is the sender: it stamps each record with the time at which it was due.
func sendBare(address, rates, counts string) error {
	rate, err := strconv.ParseFloat(rates, 64)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(counts)
	if err != nil {
		return err
	}
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	_, w := quickIO(nc)
	clock := newSystemClock()
	if clock == nil {
		clock = newGoClock()
	}
	defer clock.close()
	var buf []byte
	start := time.Now()
	for i := 0; i < count; {
		due := min(int(time.Since(start).Seconds()*rate), count)
		for buf = buf[:0]; i < due; i++ {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(start.UnixNano()+int64(float64(i)/rate*1e9)))
			buf = append(buf, make([]byte, bareRecord-8)...)
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		clock.wait(time.Now().Add(100 * time.Microsecond))
	}
	return nil
}

func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
