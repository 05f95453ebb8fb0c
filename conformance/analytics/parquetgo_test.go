//go:build conformance

package analytics

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// rowSums are digests of the rows of each table and log, in order: every column,
// NULL apart from empty and zero.
type rowSums map[string]*rowSum

type rowSum struct {
	rows int64
	hash hash.Hash
}

func (s rowSums) sums() map[string]string {
	out := make(map[string]string)
	for key, sum := range s {
		out[key] = fmt.Sprintf("%d rows %x", sum.rows, sum.hash.Sum(nil)[:8])
	}
	return out
}

// sumRows returns a function that adds rows of a table.
func sumRows[T any](s rowSums, table parquet.Table, logOf func(*T) string) func(*T) error {
	return func(row *T) error {
		key := string(table) + " " + logOf(row)
		if s[key] == nil {
			s[key] = &rowSum{hash: sha256.New()}
		}
		s[key].rows++
		return json.MarshalWrite(s[key].hash, row, jsontext.AllowInvalidUTF8(true))
	}
}

// sink returns functions that add rows of all tables.
func (s rowSums) sink() tables.Sink {
	return tables.Sink{
		Session:    sumRows(s, parquet.Sessions, func(r *tables.Session) string { return r.LogID }),
		Event:      sumRows(s, parquet.Events, func(r *tables.Event) string { return r.LogID }),
		Block:      sumRows(s, parquet.Blocks, func(r *tables.Block) string { return r.LogID }),
		ModelCall:  sumRows(s, parquet.ModelCalls, func(r *tables.ModelCall) string { return r.LogID }),
		ToolCall:   sumRows(s, parquet.ToolCalls, func(r *tables.ToolCall) string { return r.LogID }),
		FileTouch:  sumRows(s, parquet.FileTouches, func(r *tables.FileTouch) string { return r.LogID }),
		Compaction: sumRows(s, parquet.Compactions, func(r *tables.Compaction) string { return r.LogID }),
	}
}

// both gives a row to two functions.
func both[T any](a, b func(*T) error) func(*T) error {
	return func(row *T) error {
		if err := a(row); err != nil {
			return err
		}
		return b(row)
	}
}

// checkParquetGo reads every file of an export with parquet-go and compares every
// row with what the logs say, which want has the digests of.
func checkParquetGo(t *testing.T, out string, store format.Store, logs []format.LogID, want rowSums) {
	t.Helper()
	got := make(rowSums)
	read := got.sink()
	readWithParquetGo(t, out, parquet.Sessions, read.Session)
	readWithParquetGo(t, out, parquet.Events, read.Event)
	readWithParquetGo(t, out, parquet.Blocks, read.Block)
	readWithParquetGo(t, out, parquet.ModelCalls, read.ModelCall)
	readWithParquetGo(t, out, parquet.ToolCalls, read.ToolCall)
	readWithParquetGo(t, out, parquet.FileTouches, read.FileTouch)
	readWithParquetGo(t, out, parquet.Compactions, read.Compaction)
	wantSums, gotSums := want.sums(), got.sums()
	for key := range maps.Keys(wantSums) {
		if gotSums[key] != wantSums[key] {
			t.Errorf("parquet-go, %s: %q, the log says %q", key, gotSums[key], wantSums[key])
		}
	}
	for key := range maps.Keys(gotSums) {
		if _, ok := wantSums[key]; !ok {
			t.Errorf("parquet-go, %s: %q, the log has no such rows", key, gotSums[key])
		}
	}
	checkEntries(t, out, store, logs)
	t.Logf("parquet-go: the rows of %d logs and tables are those of the logs", len(wantSums))
}

// checkEntries compares the rows of events with the entries themselves: bytes,
// digest, type and time, each once and in order.
func checkEntries(t *testing.T, out string, store format.Store, logs []format.LogID) {
	t.Helper()
	want, got := make(rowSums), make(rowSums)
	type entry struct {
		Seq     int64
		Leaf    string
		Payload string
		Type    string
		Micros  int64
	}
	add := func(s rowSums) func(string, entry) {
		return func(log string, e entry) {
			if err := sumRows(s, parquet.Events, func(*entry) string { return log })(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, log := range logs {
		own := int64(0)
		if info, err := store.Info(t.Context(), log); err != nil {
			t.Fatal(err)
		} else if info.Fork != nil {
			own = info.Fork.Size
		}
		for e, err := range store.Read(t.Context(), log, own) {
			if err != nil {
				t.Fatal(err)
			}
			norm, _, err := format.CutRaw(nil, e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := schema.Decode(norm)
			if err != nil {
				t.Fatal(err)
			}
			x := entry{Seq: e.Seq, Leaf: e.Leaf.String(), Payload: string(e.Bytes), Type: string(ev.Type)}
			if at, err := schema.ParseTime(ev.Time); err == nil {
				x.Micros = at.UnixMicro()
			}
			add(want)(log.String(), x)
		}
	}
	readWithParquetGo(t, out, parquet.Events, func(r *tables.Event) error {
		x := entry{Seq: r.Seq, Leaf: r.PayloadDigest}
		if r.Payload == nil || r.Type == nil {
			return fmt.Errorf("log %s, entry %d: no payload or type", r.LogID, r.Seq)
		}
		x.Payload, x.Type = *r.Payload, *r.Type
		if r.Time != nil {
			x.Micros = *r.Time
		}
		add(got)(r.LogID, x)
		return nil
	})
	if diff := cmp.Diff(want.sums(), got.sums()); diff != "" {
		t.Errorf("entries and rows of events (-entries +rows):\n%s", diff)
	}
}

func readWithParquetGo[T any](t *testing.T, out string, table parquet.Table, row func(*T) error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, string(table), "date=*", "*.parquet"))
	if err != nil || len(names) == 0 {
		t.Fatalf("table %s: files %v, %v", table, names, err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r := pq.NewGenericReader[T](f)
		for {
			var rows [64]T // new ones: the reader keeps what old ones point to
			n, err := r.Read(rows[:])
			for i := range n {
				if err := row(&rows[i]); err != nil {
					t.Fatal(err)
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := errors.Join(r.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
