//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// hostileSystem are inputs of which only Unix has the like: pipes, devices, rights
// that are not there.
var hostileSystem = []hostileInput{
	{
		name: "named pipe among the sessions", lay: func(h *hostileRun) { h.pipe("projects/-x/" + someSession + ".jsonl") },
		args: "import IN -v", out: `^refused .*aa\.jsonl +not a regular file$`,
	},
	{
		name: "named pipe as the source", lay: func(h *hostileRun) { h.pipe("pipe.jsonl") },
		args: "import IN/pipe.jsonl", out: refused,
	},
	{
		name: "named pipe to verify", lay: func(h *hostileRun) { h.pipe("0000000000000000.jsonl") },
		args: "verify IN/0000000000000000.jsonl", code: exitUsage, err: `neither a log nor a session of a vendor`,
	},
	{name: "endless device as the source", args: "import /dev/zero", out: refused},
	{name: "empty device as the source", args: "import /dev/null", out: refused},
	{
		name: "socket among the sessions", lay: func(h *hostileRun) {
			// The names of sockets are short.
			short, err := os.MkdirTemp("", "s")
			if err != nil {
				h.Fatal(err)
			}
			h.Cleanup(func() { os.RemoveAll(short) })
			l, err := net.Listen("unix", filepath.Join(short, "s"))
			if err != nil {
				h.Fatal(err)
			}
			h.Cleanup(func() { l.Close() })
			if err := os.Rename(filepath.Join(short, "s"), filepath.Join(h.in, "in.jsonl")); err != nil {
				h.Fatal(err)
			}
			os.RemoveAll(short)
		},
		args: "import IN", out: refused,
	},
	{
		// For root, too, a folder is unreadable if a link to it leads in a circle.
		name: "folder that may not be read", lay: func(h *hostileRun) {
			h.write("fine.jsonl", recordA+"\n")
			h.write("closed/x.jsonl", recordB+"\n")
			if os.Geteuid() == 0 {
				h.Skip("root reads everything; see the folder behind links in a circle")
			}
			closed := filepath.Join(h.in, "closed")
			if err := os.Chmod(closed, 0); err != nil {
				h.Fatal(err)
			}
			h.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
		},
		args: "import IN", code: exitCheckFailed, out: `^1 files imported, 0 unchanged, 0 refused with a reason, 1 failed`,
		err: `closed: cannot be read`, kept: []string{"fine.jsonl"},
	},
	{
		name: "store on a file system that takes nothing", lay: func(h *hostileRun) { h.write("in.jsonl", recordA+"\n") },
		args: "import IN --store /proc/ownlog", code: exitCheckFailed, err: `in\.jsonl: .*/proc/ownlog`,
	},
	{
		name: "store that may not be written", lay: func(h *hostileRun) {
			h.write("in.jsonl", recordA+"\n")
			if os.Geteuid() == 0 {
				h.Skip("root writes everywhere; see the file system that takes nothing")
			}
			logs := filepath.Join(h.store, "logs")
			if err := os.Chmod(logs, 0o500); err != nil {
				h.Fatal(err)
			}
			h.Cleanup(func() { _ = os.Chmod(logs, 0o700) })
		},
		args: "import IN", code: exitCheckFailed, err: `in\.jsonl: .*permission denied`,
	},
	{
		name: "output to a full disk", args: "export " + soundSession + " --to jsonl --out /dev/full/x", code: exitEnvironment, err: `/dev/full`,
	},
}

func (h *hostileRun) pipe(name string) {
	h.Helper()
	target := filepath.Join(h.in, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := syscall.Mkfifo(target, 0o600); err != nil {
		h.Fatal(err)
	}
}
