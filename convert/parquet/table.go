package parquet

import (
	"fmt"
	"slices"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/ownlog/ownlog/convert/tables"
)

// Table names a table; it is its folder.
type Table string

// The tables. Package tables says what their columns mean.
const (
	Sessions    Table = "sessions"
	Events      Table = "events"
	Blocks      Table = "blocks"
	ModelCalls  Table = "model_calls"
	ToolCalls   Table = "tool_calls"
	FileTouches Table = "file_touches"
	Compactions Table = "compactions"
)

// Tables returns all tables in their usual order.
func Tables() []Table {
	return []Table{Sessions, Events, Blocks, ModelCalls, ToolCalls, FileTouches, Compactions}
}

// ParseTable finds a table by name.
func ParseTable(name string) (Table, error) {
	if i := slices.Index(Tables(), Table(name)); i >= 0 {
		return Tables()[i], nil
	}
	return "", fmt.Errorf("table %q: want one of %v", name, Tables())
}

// Sizes of files' parts. A row group holds at most groupRows rows, and ends
// earlier when its texts come to groupBytes: it is kept in memory, compressed,
// until it is written.
const (
	pageBytes  = 1 << 20
	smallPage  = 64 << 10 // for logs of at most smallLog entries: a page is allocated before it is filled
	smallLog   = 8 << 10
	groupRows  = 64 << 10
	groupBytes = 32 << 20
	batchRows  = 128
	batchBytes = 256 << 10
)

// layout is what a table's files need besides the row type.
type layout[T any] struct {
	table Table
	// long are columns of long or unique text: page bounds would repeat it.
	long []string
	// ids are columns that people look rows up by.
	ids []string
	// weigh returns the bytes of a row's long texts.
	weigh func(*T) int
}

func weight(texts ...*string) int {
	n := 0
	for _, s := range texts {
		if s != nil {
			n += len(*s)
		}
	}
	return n
}

// The layouts are functions for want of constants of such types.

func sessionLayout() layout[tables.Session] {
	return layout[tables.Session]{Sessions, []string{"title", "fidelity", "head_digest"}, []string{"log_id", "session_id"},
		func(r *tables.Session) int { return weight(r.Title, r.Fidelity) }}
}

func eventLayout() layout[tables.Event] {
	return layout[tables.Event]{Events, []string{"payload", "payload_digest"}, []string{"log_id", "session_id", "record_id"},
		func(r *tables.Event) int { return 64 + weight(r.Payload) }}
}

func blockLayout() layout[tables.Block] {
	return layout[tables.Block]{Blocks, []string{"text", "summary"}, []string{"log_id", "session_id", "call_key", "blob_digest"},
		func(r *tables.Block) int { return weight(r.Text, r.Summary) }}
}

func modelCallLayout() layout[tables.ModelCall] {
	return layout[tables.ModelCall]{ModelCalls, nil, []string{"log_id", "session_id", "request_id", "response_id"},
		func(*tables.ModelCall) int { return 64 }}
}

func toolCallLayout() layout[tables.ToolCall] {
	return layout[tables.ToolCall]{ToolCalls, []string{"arguments", "arguments_raw", "output_digest"},
		[]string{"log_id", "session_id", "call_key", "vendor_call_id", "child_session_id"},
		func(r *tables.ToolCall) int { return weight(r.Arguments, r.ArgumentsRaw) }}
}

func fileTouchLayout() layout[tables.FileTouch] {
	return layout[tables.FileTouch]{FileTouches, nil, []string{"log_id", "session_id", "call_key", "path"},
		func(r *tables.FileTouch) int { return len(r.Path) }}
}

func compactionLayout() layout[tables.Compaction] {
	return layout[tables.Compaction]{Compactions, nil, []string{"log_id", "session_id"},
		func(*tables.Compaction) int { return 64 }}
}

// options returns how the table's files are written; page is the bytes of a page.
func (l layout[T]) options(page int, codec compress.Codec) []pq.WriterOption {
	opts := []pq.WriterOption{
		pq.CreatedBy("ownlog", fmt.Sprint(tables.Version), ""),
		pq.PageBufferSize(page),
		pq.MaxRowsPerRowGroup(groupRows),
		// The tag delta is refused for pointers.
		pq.DefaultEncodingFor(pq.Int64, &pq.DeltaBinaryPacked),
		pq.Compression(codec),
		pq.SortingWriterConfig(pq.SortingColumns(pq.Ascending("log_id"), pq.Ascending("seq"))),
	}
	for _, column := range l.long {
		opts = append(opts, pq.SkipPageBounds(column))
	}
	filters := make([]pq.BloomFilterColumn, len(l.ids))
	for i, column := range l.ids {
		filters[i] = pq.SplitBlockFilter(10, column)
	}
	return append(opts, pq.BloomFilters(filters...))
}
