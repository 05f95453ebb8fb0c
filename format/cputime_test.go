//go:build unix

package format

import (
	"syscall"
	"testing"
	"time"
)

// measureCPU reports how much CPU time the process used, all threads together,
// which says more than the clock on a machine that does other things as well.
// Call what it returns at the end, with the bytes of all iterations.
func measureCPU(b *testing.B) (end func(bytes int64)) {
	before := cpuTime(b)
	return func(bytes int64) {
		used := cpuTime(b) - before
		b.ReportMetric(float64(bytes)/1e6/used.Seconds(), "MB/cpu-s")
		b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
