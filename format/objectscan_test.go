package format

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// stringsTake tells whether every backslash up to the end of the object stands in a string.
func stringsTake(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i+1); i < 0 {
				return true
			}
		case '\\':
			return false
		}
	}
	return true
}

// sameScan compares the fast scan with the simple one, which every
// implementation can do.
func sameScan(t *testing.T, b []byte) {
	t.Helper()
	end, depth := scanObject(b)
	is := len(b) > 0 && end == len(b) && depth <= MaxDepth
	fast := surelyObject(b)
	if fast && !is {
		t.Errorf("%q: one object by the fast scan, which ends at %d of %d, depth %d", b, end, len(b), depth)
	}
	if hasBlockScan && is && !fast && stringsTake(b) {
		t.Errorf("%q: one object, but not by the fast scan", b)
	}
	if bad := checkSplit(b); (bad == nil) != is {
		t.Errorf("%q: %v, but it is %v that it is one object", b, bad, is)
	}
}

func TestSurelyObjectIsScanObject(t *testing.T) {
	if runtime.GOARCH == "amd64" {
		t.Logf("fast scan: %v", hasBlockScan)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	// Objects around the lengths of blocks, and what one changed byte makes of them.
	for n := range 300 {
		for _, fill := range []string{"a", `\\`, `\"`, `{`, `]`} {
			b := []byte(`{"k":"` + strings.Repeat(fill, n/len(fill)) + `","l":[{}]}`)
			sameScan(t, b)
			for range 20 {
				c := bytes.Clone(b)
				c[rng.IntN(len(c))] = `{}[]"\a`[rng.IntN(7)]
				sameScan(t, c)
			}
		}
	}
	for depth := range 2 * MaxDepth {
		nested := strings.Repeat(`{"":`, depth) + "{}" + strings.Repeat("}", depth)
		sameScan(t, []byte(nested))
		sameScan(t, []byte(nested+nested))
		sameScan(t, []byte(`{"pad":"`+strings.Repeat("x", depth)+`","a":`+nested+`}`))
	}
	// Nothing but what the scan looks for.
	for range 100_000 {
		b := make([]byte, 1+rng.IntN(200))
		alphabet := []string{`{}[]"\a`, `{}"\\\\`, `""\\\{`, `{}[]`}[rng.IntN(4)]
		for i := range b {
			b[i] = alphabet[rng.IntN(len(alphabet))]
		}
		b[0] = '{'
		sameScan(t, b)
	}
	for _, e := range benchEntries(1 << 20) {
		sameScan(t, e)
		sameScan(t, e[:len(e)-1])
	}
}

// FuzzScanObject: the fast scan takes what the simple one takes.
func FuzzScanObject(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(`{"a":"}\"{","b":[{}]}`))
	f.Add([]byte(`{"a":1},"entry":{"b":2}`))
	f.Add([]byte(`{"a":"` + strings.Repeat(`\\`, 40) + `"}`))
	f.Add([]byte(`{` + strings.Repeat(`[`, 101) + strings.Repeat(`]`, 101) + `}`))
	f.Fuzz(func(t *testing.T, b []byte) { sameScan(t, b) })
}
