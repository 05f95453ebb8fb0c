package conformance

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
)

// example is spec/example.md: its fenced blocks by the word behind the fence.
type example map[string]string

func readExample(t *testing.T) example {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "spec", "example.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := example{}
	name := ""
	for line := range strings.Lines(string(page)) {
		word, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case fence && name == "":
			if name = word; blocks[name] != "" {
				t.Fatalf("two blocks called %q", name)
			}
		case fence:
			name = ""
		case name != "":
			blocks[name] += line
		}
	}
	return blocks
}

// values are the lines `name = value` of a block.
func (e example) values() map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(e["values"]) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		values[name] = value
	}
	return values
}

func (e example) entries() [][]byte {
	return bytes.Split([]byte(strings.TrimSpace(e["entries"])), []byte("\n"))
}

// dump reads a block of hexadecimal bytes with offsets in front and text behind.
func (e example) dump(t *testing.T, name string) []byte {
	t.Helper()
	var data []byte
	for line := range strings.Lines(e[name]) {
		if at := fmt.Sprintf("%04x  ", len(data)); !strings.HasPrefix(line, at) {
			t.Fatalf("%s: line does not begin with its offset %q: %q", name, at, line)
		}
		digits, _, _ := strings.Cut(line[6:], "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data = append(data, b...)
	}
	return data
}

func exampleHead(t *testing.T, e example) format.Head {
	t.Helper()
	head, err := format.ParseHead(e.values()["head"])
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestExampleTree(t *testing.T) {
	e := readExample(t)
	var tree format.Frontier
	got := map[string]string{}
	for i, entry := range e.entries() {
		if err := format.CheckEntry(entry); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
		leaf := format.LeafHash(entry)
		got[fmt.Sprintf("leaf %d", i)] = leaf.String()
		tree.Push(leaf)
		if i == 1 {
			got["node 0-1"] = tree.Root().String()
		}
	}
	head := format.Head{Log: exampleHead(t, e).Log, Size: tree.Size(), Root: tree.Root()}
	got["root"] = head.Root.String()
	got["head"] = head.String()
	if diff := cmp.Diff(e.values(), got); diff != "" {
		t.Errorf("values (-page +computed):\n%s", diff)
	}
}

func TestExampleRaw(t *testing.T) {
	norm, raw, err := format.CutRaw(nil, readExample(t).entries()[1])
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "spec", "example.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{norm, raw} {
		if want := "`" + string(part) + "`"; !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %s", want)
		}
	}
}

// The directory store writes the very bytes of the page.
func TestExampleText(t *testing.T) {
	e := readExample(t)
	log := exampleHead(t, e).Log
	dir := t.TempDir()
	store, err := format.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	entries := e.entries()
	if _, err := store.Append(t.Context(), log, 0, entries[:2]); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), log, 2, entries[2:]); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("logs", log.String(), "0000000000000000.jsonl")
	got, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e["segment"], string(got)); diff != "" {
		t.Errorf("segment (-page +written):\n%s", diff)
	}
	vector, err := os.ReadFile(filepath.Join("vectors", "good-example", path))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, vector) {
		t.Error("the vector good-example is not the page's segment")
	}
	start := e.dump(t, "hex")
	if !bytes.HasPrefix(got, start) || len(start) != 48 {
		t.Errorf("the hexadecimal start has %d bytes that are not those of the segment", len(start))
	}
	rows := ""
	offset := 0
	for i, line := range bytes.SplitAfter(got, []byte("\n"))[:4] {
		seqAndAck := [...]string{"header | ", "0 | 0", "1 | 0", "2 | 2"}[i]
		rows += fmt.Sprintf("| %d | %d | %d | %s |\n", i+1, offset, len(line), seqAndAck)
		offset += len(line)
	}
	mustSay(t, rows)
	mustSay(t, fmt.Sprintf("%d bytes, each line ended by one LF", len(got)))
}

func TestExampleChecksum(t *testing.T) {
	e := readExample(t)
	parts := strings.Split(strings.TrimSuffix(e["checksum"], "\n"), "\n")
	sum := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(strings.Join(parts, ""))))
	mustSay(t, "that is `"+sum+"`.")
	if line := parts[1] + sum + parts[2] + "\n"; !strings.HasSuffix(e["segment"], line) {
		t.Errorf("the checksum's parts do not make the segment's last line: %s", line)
	}
}

// The dump is a sealed segment that the directory store reads to the same head.
func TestExampleSealed(t *testing.T) {
	e := readExample(t)
	want := exampleHead(t, e)
	data := e.dump(t, "sealed")
	path := filepath.Join("logs", want.Log.String(), "0000000000000000.jsonl.zst")
	vector, err := os.ReadFile(filepath.Join("vectors", "good-example-sealed", path))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, vector) {
		t.Error("the vector good-example-sealed is not the page's dump")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, path), data, 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := format.OpenDirStore(dir, format.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var got [][]byte
	for entry, err := range store.Read(t.Context(), want.Log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, bytes.Clone(entry.Bytes))
	}
	if diff := cmp.Diff(e.entries(), got); diff != "" {
		t.Errorf("entries (-page +read):\n%s", diff)
	}
	head, err := store.Head(t.Context(), want.Log, -1)
	if err != nil {
		t.Fatal(err)
	}
	if head != want {
		t.Errorf("head is %v, the page says %v", head, want)
	}
	index := strings.NewReplacer("\n ", "", "\n", "").Replace(e["index"])
	if !bytes.Contains(data, []byte(index)) {
		t.Errorf("the page's index does not stand in its dump: %s", index)
	}
	mustSay(t, fmt.Sprintf("it can be read in the dump; %d bytes", len(data)))
}

// mustSay fails the test if the page does not contain text, line breaks aside.
func mustSay(t *testing.T, text string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "spec", "example.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.ReplaceAll(string(page), "\n", " "), strings.ReplaceAll(text, "\n", " ")) {
		t.Errorf("the page does not say %q", text)
	}
}
