package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// compressed returns content as a zstd file.
func compressed(h *hostileRun, content []byte) []byte {
	h.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		h.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// zstdBomb is a zstd frame of runs of spaces behind a first line: a few bytes for
// each 128 KiB.
func zstdBomb(first string, blocks int) string {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58} // no content size, window 2 MiB
	block := func(kind, size, last int) {
		n := uint32(last | kind<<1 | size<<3)
		frame = append(frame, byte(n), byte(n>>8), byte(n>>16))
	}
	block(0, len(first), 0)
	frame = append(frame, first...)
	for i := range blocks {
		last := 0
		if i == blocks-1 {
			last = 1
		}
		block(1, 128<<10, last)
		frame = append(frame, 'a')
	}
	return string(frame)
}

const (
	rolloutName  = "sessions/2026/11/23/rollout-2026-11-23T01-00-00-01a20619-0000-7000-8000-000000000001.jsonl"
	rolloutLine  = `{"timestamp":"2026-11-23T01:00:00.000Z","type":"session_meta","payload":{"id":"01a20619-0000-7000-8000-000000000001","timestamp":"2026-11-23T01:00:00.000Z","cwd":"/x","originator":"o","cli_version":"0.169.0"`
	rolloutFirst = rolloutLine + "}}\n"
)

// hostileFiles are files that are not what their names and places say, and
// folders that lead elsewhere.
var hostileFiles = []hostileInput{
	{
		name: "symbolic link in the vendor's folder", lay: func(h *hostileRun) {
			h.place(filepath.Join(h.dir, "elsewhere", "secret.jsonl"), recordA+"\n")
			h.link(filepath.Join(h.dir, "elsewhere", "secret.jsonl"), "projects/-x/"+someSession+".jsonl")
			h.link("/etc", "projects/etc")
		},
		args: "import IN -v", out: `^refused .*aa\.jsonl +a symbolic link; name its target to import it\nrefused .*etc +a symbolic link`,
		after: func(h *hostileRun) {
			if got := h.logNames(); len(got) != 1 {
				h.Errorf("logs %v, want the sound one alone", got)
			}
		},
	},
	{
		name: "symbolic links in a circle", lay: func(h *hostileRun) { h.link("b", "a"); h.link("a", "b") },
		args: "import IN", out: `^0 files imported, 0 unchanged, 2 refused`,
	},
	{
		name: "a link in a circle named as the source", lay: func(h *hostileRun) { h.link("b", "a"); h.link("a", "b") },
		args: "import IN/a", code: exitEnvironment, err: `^ownlog: .*in.a: too many levels of symbolic links$|cannot`,
	},
	{
		name: "a file where a folder must be", lay: func(h *hostileRun) { h.write("file", "x") },
		args: "import IN/file/below", code: exitEnvironment, err: `^ownlog: .*below: not a directory$|cannot`,
	},
	{
		name: "a folder named like a session", lay: func(h *hostileRun) {
			h.write(rolloutName+"/x", "x")
			h.write("opencode.db/opencode.db", "x")
		},
		args: "import IN", out: `^0 files imported, 0 unchanged, 2 refused with a reason, 0 failed`,
	},
	{
		name: "a name that steers the terminal", args: "import IN/\x1b[31mevil\u202e.jsonl", code: exitEnvironment,
		err: `in.\\u001b\[31mevil\\u202e\.jsonl: no such file`,
	},
	{
		name: "a name with NUL", args: "import IN/a\x00b", code: exitEnvironment, err: `in.a\\u0000b: invalid argument`,
	},
	{
		name: "rollout that is a bomb", lay: func(h *hostileRun) { h.write(rolloutName+".zst", zstdBomb(rolloutFirst, 1000)) },
		args: "import IN", code: exitCheckFailed, out: `^0 files imported, 0 unchanged, 0 refused with a reason, 1 failed`,
		err: `decompresses to more bytes than a session of its size has`,
	},
	{
		name: "rollout cut off inside a frame", lay: func(h *hostileRun) {
			b := compressed(h, []byte(strings.Repeat(rolloutFirst, 500)))
			h.write(rolloutName+".zst", string(b[:len(b)-20]))
		},
		args: "import IN", code: exitCheckFailed, err: `\.jsonl\.zst: .*unexpected EOF|\.jsonl\.zst:.*`,
	},
	{
		name: "rollout with damaged compressed bytes", lay: func(h *hostileRun) {
			b := compressed(h, []byte(strings.Repeat(rolloutFirst, 500)))
			b[len(b)/2] ^= 0xff
			h.write(rolloutName+".zst", string(b))
		},
		args: "import IN", code: exitCheckFailed, err: `\.jsonl\.zst:`,
	},
	{
		name: "rollout that asks for a window of 2 GB", lay: func(h *hostileRun) {
			h.write(rolloutName+".zst", "\x28\xb5\x2f\xfd\x00\xa8\x09\x00\x00"+"x")
		},
		args: "import IN", code: exitCheckFailed, err: `window size exceeded|window`,
	},
	{
		name: "rollout that continues itself", lay: func(h *hostileRun) {
			h.write(rolloutName, rolloutLine+`,"history_base":{"thread_id":"01a20619-0000-7000-8000-000000000001","end_byte_offset":10}}}`+"\n")
		},
		args: "import IN", out: `finding: missing-history-base, 1 times`, kept: []string{rolloutName},
	},
	{
		name: "rollout that continues another at an impossible place", lay: func(h *hostileRun) {
			h.write("a/"+rolloutName, rolloutFirst)
			h.write("b/"+strings.Replace(rolloutName, "000001.jsonl", "000002.jsonl", 1), strings.Replace(rolloutLine, "000000000001", "000000000002", 1)+
				`,"history_base":{"thread_id":"01a20619-0000-7000-8000-000000000001","end_byte_offset":-9223372036854775808}}}`+"\n")
		},
		args: "import IN", out: `^2 files imported`, kept: []string{"a/" + rolloutName},
	},
	{
		name: "OpenCode file that is an array of arrays", lay: func(h *hostileRun) {
			h.write("export.json", `{"info":{"id":"ses_1","version":"1","directory":"/x"},"messages":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+"}")
		},
		args: "import IN", out: `^1 files imported`,
	},
	{
		name: "OpenCode tree whose ids climb out of folders", lay: func(h *hostileRun) {
			h.write("storage/session/p/ses_1.json", `{"id":"../../../../ses_x","projectID":"../p","directory":"/x","title":"t","version":"1"}`)
			h.write("storage/message/ses_1/msg_1.json", `{"id":"../../msg","sessionID":"../../../../ses_x","role":"user","time":{"created":1}}`)
			h.write("storage/part/msg_1/prt_1.json", `{"id":"../prt","messageID":"../../msg","sessionID":"../..","type":"text","text":"hello"}`)
		},
		args: "import IN", out: `^3 files imported`,
		after: func(h *hostileRun) {
			for _, log := range h.logNames() {
				h.command("export --out OUT/"+log+" "+log, "")
			}
			for name := range treeOf(h.T, h.dir, "store", "in", "out", "tmp") {
				if name != "." {
					h.Errorf("%s was written", name)
				}
			}
		},
	},
	{
		name: "OpenCode tree of files that are no JSON", lay: func(h *hostileRun) {
			h.write("storage/session/p/ses_1.json", "{")
			h.write("storage/message/ses_1/msg_1.json", "\x00")
			h.write("storage/part/msg_1/prt_1.json", "[[")
			h.write("storage/todo/ses_1.json", "")
		},
		args: "import IN", out: `finding: file-not-json`,
	},
}

// hostileDatabases are files that SQLite would rather not open.
var hostileDatabases = []hostileInput{
	{
		name: "database cut short", lay: func(h *hostileRun) {
			h.write("opencode.db", h.fixture("opencode/subagent/opencode.db")[:len(h.fixture("opencode/subagent/opencode.db"))-8192])
			h.write(someSession+".jsonl", recordA+"\n")
		},
		args: "import IN", code: exitCheckFailed, out: `^1 files imported, 0 unchanged, 0 refused with a reason, 1 failed`,
		err:  `opencode\.db: database disk image is malformed: what is readable was imported; lost: pages at the end of the file`,
		kept: []string{someSession + ".jsonl"},
	},
	{
		name: "database that is a header alone", lay: func(h *hostileRun) { h.write("opencode.db", "SQLite format 3\x00") },
		args: "import IN", code: exitCheckFailed, err: `opencode\.db: `,
	},
	{
		name: "database of random pages", lay: func(h *hostileRun) {
			h.write("opencode.db", h.fixture("opencode/subagent/opencode.db")[:100]+strings.Repeat("\x0d\xff\x00\x07", 5000))
		},
		args: "import IN", code: exitCheckFailed, err: `opencode\.db: `,
	},
	{
		name: "database with every page but the first flipped", lay: func(h *hostileRun) {
			b := []byte(h.fixture("opencode/subagent/opencode.db"))
			for i := 4096; i < len(b); i += 64 {
				b[i] ^= 0xff
			}
			h.write("opencode.db", string(b))
		},
		args: "import IN", code: exitCheckFailed, err: `opencode\.db: `,
	},
	{
		name: "text that is named like a database", lay: func(h *hostileRun) { h.write("opencode.db", "not a database") },
		args: "import IN -v", out: `^refused .*named like OpenCode's database, but not an SQLite file$`,
	},
	{
		name: "database whose page size is none", lay: func(h *hostileRun) {
			b := []byte(h.fixture("opencode/subagent/opencode.db"))
			binary.BigEndian.PutUint16(b[16:], 3)
			h.write("opencode.db", string(b))
		},
		args: "import IN", code: exitCheckFailed, err: `opencode\.db: `,
	},
	{
		name: "write-ahead log of another database", lay: func(h *hostileRun) {
			h.write("opencode.db", h.fixture("opencode/subagent/opencode.db"))
			h.write("opencode.db-wal", h.fixture("opencode/killed/opencode.db"))
		},
		args: "import IN", code: exitCheckFailed, err: `what is readable was imported; lost: the write-ahead log, which does not begin as one`,
	},
	{
		name: "write-ahead log without its database", lay: func(h *hostileRun) { h.write("opencode.db-wal", "x") },
		args: "import IN", code: exitCheckFailed, err: `opencode\.db`,
	},
	{
		name: "database whose tables are views", lay: func(h *hostileRun) {
			b := []byte(h.fixture("opencode/subagent/opencode.db"))
			h.write("opencode.db", string(bytes.ReplaceAll(b, []byte("CREATE TABLE `session`"), []byte("CREATE VIEW  `session`"))))
		},
		args: "import IN -v", out: `^refused .*opencode\.db +.*session`,
	},
}

// link makes a symbolic link below IN, or skips the input where that is not allowed.
func (h *hostileRun) link(target, name string) {
	h.Helper()
	link := filepath.Join(h.in, name)
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		h.Skipf("no symbolic links here: %v", err)
	}
}
