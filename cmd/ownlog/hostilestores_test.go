package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// bombSegment is a frame that says that it has 1 GB, with every sign that the
// format asks for, and then is as long.
var bombSegment = append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0x58, 2, 0, 0, 0x40, 0, 0, 0, 0}, zstdBomb("x\n", 8192)[6:]...)

// spoil changes the sound log's segment.
func spoil(change func(b []byte) []byte) func(h *hostileRun) {
	return func(h *hostileRun) {
		name := h.segment()
		b, err := os.ReadFile(name)
		if err != nil {
			h.Fatal(err)
		}
		if err := os.WriteFile(name, change(b), 0o600); err != nil {
			h.Fatal(err)
		}
	}
}

// hostileStores are stores that were damaged or set up. No command mends them in
// place: what is damaged stays as it is.
var hostileStores = []hostileInput{
	{
		name: "segment that is a bomb", lay: spoil(func([]byte) []byte { return bombSegment }),
		args: "verify", code: exitCheckFailed, out: `^error: frame(-[a-z]+)?: .*\.jsonl\.zst`, err: `1 logs are not as they should be`,
	},
	{
		name: "frame that declares four exabytes", lay: spoil(func(b []byte) []byte {
			return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 1, 0, 0}, b...)
		}),
		args: "verify", code: exitCheckFailed, out: `^error: frame`, err: `1 logs are not as they should be`,
	},
	{
		name: "segment of a bit less", lay: spoil(func(b []byte) []byte { return b[:len(b)-1] }),
		args: "verify", code: exitCheckFailed, out: `^error: `, err: `1 logs are not as they should be`,
	},
	{
		name: "segment that is empty", lay: spoil(func([]byte) []byte { return nil }),
		args: "show " + soundSession, code: exitCheckFailed, err: `\.jsonl\.zst`,
	},
	{
		name: "import over a damaged log", lay: func(h *hostileRun) {
			spoil(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })(h)
			h.write("in.jsonl", h.fixture(soundTranscript))
			h.write("other.jsonl", recordA+"\n")
		},
		args: "import IN", code: exitCheckFailed, out: `^1 files imported, 0 unchanged, 0 refused with a reason, 1 failed`,
		err: `in\.jsonl: .*\.jsonl\.zst`, kept: nil,
	},
	{
		name: "recovery of a damaged log", lay: spoil(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }),
		args: "recover " + soundSession, code: exitCheckFailed, out: `entries kept, \d+ lost`, err: `has a gap for each`,
	},
	{
		name: "segment that is a link to another file", lay: func(h *hostileRun) {
			h.write("passwd", "root:x:0:0\n")
			name := h.segment()
			if err := os.Remove(name); err != nil {
				h.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(h.in, "passwd"), name); err != nil {
				h.Skipf("no symbolic links here: %v", err)
			}
		},
		args: "verify", code: exitCheckFailed, out: `^error: `, err: `1 logs are not as they should be`,
	},
	{
		name: "log folder with names of no segment", lay: func(h *hostileRun) {
			folder := filepath.Dir(h.segment())
			for _, name := range []string{"x.jsonl", "0.jsonl.zst", "-1", "00000000000000000000.jsonl", "\x1b[31m"} {
				h.place(filepath.Join(folder, name), "x")
			}
			h.place(filepath.Join(h.store, "logs", "not-an-id", "0000000000000000.jsonl"), "x")
			h.place(filepath.Join(h.store, "logs", "a-file"), "x")
		},
		args: "verify", out: `^ok +9b43b6e8`,
	},
	{
		name: "store that is a file", lay: func(h *hostileRun) {
			h.write("in.jsonl", recordA+"\n")
			h.place(filepath.Join(h.out, "store"), "x")
		},
		args: "import IN --store OUT/store", code: exitCheckFailed, err: `in\.jsonl: .*out.store.*not a directory`,
	},
	{
		name: "lock that is a folder", lay: func(h *hostileRun) {
			lock := filepath.Join(filepath.Dir(h.segment()), "lock")
			if err := os.RemoveAll(lock); err != nil {
				h.Fatal(err)
			}
			if err := os.Mkdir(lock, 0o700); err != nil {
				h.Fatal(err)
			}
			h.write("in.jsonl", h.fixture(soundTranscript)+recordA+"\n")
		},
		args: "import IN", code: exitCheckFailed, out: `1 failed`, err: `in\.jsonl: .*lock`,
	},
	{
		name: "import records that are garbage", lay: func(h *hostileRun) {
			for name := range treeOf(h.T, filepath.Join(h.store, "imports")) {
				if strings.Contains(name, ".json") {
					h.place(filepath.Join(h.store, "imports", name), "\x00{\"path\":[")
				}
			}
			h.write("in.jsonl", h.fixture(soundTranscript))
		},
		args: "import IN", out: `^1 files imported, .* 0 failed; 0 entries added to 0 logs`, kept: inJSONL,
	},
	{
		name: "cached summaries that are garbage", lay: func(h *hostileRun) {
			h.place(filepath.Join(h.store, "cache", "summaries", filepath.Base(filepath.Dir(h.segment()))+".json"), "{\"log\":")
		},
		args: "ls", out: `^9b43b6e8`,
	},
	{
		name: "baseline that is garbage", lay: func(h *hostileRun) { h.write("known.json", "[[[\x00") },
		args: "verify --baseline IN/known.json", code: exitUsage, err: `known\.json: not what verify --format json prints`,
	},
}

// tarMember is a file in a pack.
type tarMember struct {
	tar.Header
	body string
}

// changedPack lays out in.pack: a pack of the sound log, changed.
func changedPack(change func(l []tarMember) []tarMember) func(h *hostileRun) {
	return func(h *hostileRun) {
		if code := h.command("pack", ""); code != exitFine {
			h.Fatalf("pack: %s", &h.stderr)
		}
		var list []tarMember
		r := tar.NewReader(bytes.NewReader(h.stdout.Bytes()))
		for {
			header, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				h.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				h.Fatal(err)
			}
			list = append(list, tarMember{*header, string(body)})
		}
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for _, m := range change(list) {
			m.Size = int64(len(m.body))
			if err := w.WriteHeader(&m.Header); err != nil {
				h.Fatal(err)
			}
			if _, err := io.WriteString(w, m.body); err != nil {
				h.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			h.Fatal(err)
		}
		h.write("in.pack", out.String())
	}
}

// addMember adds a member of a kind to a pack.
func addMember(kind byte, name, link, body string) func(l []tarMember) []tarMember {
	return func(l []tarMember) []tarMember {
		return append(l, tarMember{tar.Header{Typeflag: kind, Name: name, Linkname: link, Mode: 0o600}, body})
	}
}

const unpackIN = "unpack --store OUT/other IN/in.pack"

// nothingUnpacked checks that no log and no blob came of a pack.
func nothingUnpacked(h *hostileRun) {
	for name := range treeOf(h.T, h.out) {
		if base := filepath.Base(name); name != "." && base != "other" && base != "lock" && base != "blobs" && base != "logs" {
			h.Errorf("%s was left in the store", name)
		}
	}
}

// refusedPack is a pack that must be refused.
func refusedPack(name, message string, change func(l []tarMember) []tarMember) hostileInput {
	return hostileInput{name: name, lay: changedPack(change), args: unpackIN, code: exitCheckFailed, err: message, after: nothingUnpacked}
}

var hostilePacks = []hostileInput{
	refusedPack("pack: name that climbs", `a member named "\.\./x"`, addMember(tar.TypeReg, "../x", "", "x")),
	refusedPack("pack: absolute name", `a member named "/tmp/x"`, addMember(tar.TypeReg, "/tmp/x", "", "x")),
	refusedPack("pack: name that climbs out of a log", `a member named`, addMember(tar.TypeReg, "logs/../../x", "", "x")),
	refusedPack("pack: symbolic link", `not a regular file`,
		addMember(tar.TypeSymlink, "blobs/sha256/aa/"+strings.Repeat("a", 64), "/etc/passwd", "")),
	refusedPack("pack: hard link", `not a regular file`,
		addMember(tar.TypeLink, "blobs/sha256/aa/"+strings.Repeat("a", 64), "ownlog-pack.json", "")),
	refusedPack("pack: device", `not a regular file`, addMember(tar.TypeChar, "blobs/sha256/aa/"+strings.Repeat("a", 64), "", "")),
	refusedPack("pack: name twice", `stands in it twice`, func(l []tarMember) []tarMember { return append(l, l[len(l)-1]) }),
	refusedPack("pack: manifest behind", `is not its first member|there is no`, func(l []tarMember) []tarMember { return append(l[1:], l[0]) }),
	refusedPack("pack: manifest of garbage", `its manifest`, func(l []tarMember) []tarMember { l[0].body = "{\"ownlog\":[\x00"; return l }),
	refusedPack("pack: blob of other bytes", `has the digest`,
		addMember(tar.TypeReg, "blobs/sha256/aa/"+strings.Repeat("a", 64), "", "other")),
	refusedPack("pack: log that it does not name", `is of a log that the manifest does not name`,
		addMember(tar.TypeReg, "logs/00000000-0000-4000-8000-000000000000/0000000000000000.jsonl", "", "x")),
	refusedPack("pack: damaged segment", `unpack|pack`, func(l []tarMember) []tarMember {
		b := []byte(l[len(l)-1].body)
		b[len(b)/2] ^= 1
		l[len(l)-1].body = string(b)
		return l
	}),
	{
		name: "pack: larger than asked for", lay: changedPack(func(l []tarMember) []tarMember { return l }),
		args: unpackIN + " --max-bytes 5000", code: exitCheckFailed, err: `are left of the limit`, after: nothingUnpacked,
	},
	{
		name: "pack: sparse file", lay: func(h *hostileRun) {
			// An old GNU header that says: one block of data, a terabyte of size.
			block := make([]byte, 512)
			copy(block, "blobs/sha256/aa/"+strings.Repeat("a", 64))
			copy(block[100:], "0000600\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
			copy(block[257:], "ustar  \x00")
			copy(block[386:], "00000000000\x0000000000000\x00")
			copy(block[483:], "20000000000\x00")
			sum := 0
			for _, b := range block {
				sum += int(b)
			}
			copy(block[148:], octal(sum))
			h.write("in.pack", string(block)+strings.Repeat("\x00", 1024))
		},
		args: unpackIN, code: exitCheckFailed, err: `pack`, after: nothingUnpacked,
	},
	{
		name: "pack: no tar at all", lay: func(h *hostileRun) { h.write("in.pack", strings.Repeat("x", 5000)) },
		args: unpackIN, code: exitCheckFailed, err: `pack`, after: nothingUnpacked,
	},
	{
		name: "pack: cut off", lay: func(h *hostileRun) {
			changedPack(func(l []tarMember) []tarMember { return l })(h)
			whole, err := os.ReadFile(filepath.Join(h.in, "in.pack"))
			if err != nil {
				h.Fatal(err)
			}
			h.write("in.pack", string(whole[:len(whole)/2]))
		},
		args: unpackIN, code: exitCheckFailed, err: `is cut (off|short): .*unexpected EOF`, after: nothingUnpacked,
	},
}

// octal is a tar header's checksum field.
func octal(n int) string {
	digits := []byte("000000\x00 ")
	for i := 5; i >= 0; i-- {
		digits[i] = byte('0' + n&7)
		n >>= 3
	}
	return string(digits)
}

// hostileArguments are command lines.
var hostileArguments = []hostileInput{
	{name: "LOG that climbs out of the store", args: "show " + strings.Repeat("../", 40) + "etc/passwd", code: exitUsage, err: `etc/passwd: not the folder of a log`},
	{name: "LOG with NUL", args: "show a\x00bcdef", code: exitEnvironment, err: `log a\\u0000bcdef: .*not found`},
	{name: "LOG with an enormous size", args: "show " + soundSession + "@99999999999999999999", code: exitUsage, err: `what follows @ is not a number of entries`},
	{name: "LOG with more entries than there are", args: "show " + soundSession + "@9223372036854775807", code: exitEnvironment, err: `has 46 entries, not 9223372036854775807`},
	{name: "head that is none", args: "verify --expect 9b43b6e8@46#x", code: exitUsage, err: `^ownlog: --expect: `},
	{
		name: "export over what is there", lay: func(h *hostileRun) {
			h.place(filepath.Join(h.out, "projects", "-home-dev-proj-s03", soundSession+".jsonl"), "mine")
		},
		args: "export " + soundSession + " --out OUT", code: exitEnvironment, err: `nothing was written over it`,
		after: func(h *hostileRun) {
			mine, err := os.ReadFile(filepath.Join(h.out, "projects", "-home-dev-proj-s03", soundSession+".jsonl"))
			if err != nil || string(mine) != "mine" {
				h.Errorf("what was there is %q: %v", mine, err)
			}
		},
	},
	{
		name: "export through a link that leads elsewhere", lay: func(h *hostileRun) {
			if err := os.MkdirAll(filepath.Join(h.in, "elsewhere"), 0o700); err != nil {
				h.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(h.in, "elsewhere"), filepath.Join(h.out, "projects")); err != nil {
				h.Skipf("no symbolic links here: %v", err)
			}
		},
		args: "export " + soundSession + " --out OUT", code: exitEnvironment, err: `out.projects is a symbolic link; nothing is written through it`,
	},
	{
		name: "export into a file", lay: func(h *hostileRun) { h.write("file", "x") },
		args: "export " + soundSession + " --out IN/file", code: exitEnvironment, err: `in.file`,
	},
	{
		name: "session that claims another's id with another content", lay: func(h *hostileRun) {
			lines := strings.SplitAfter(h.fixture(soundTranscript), "\n")
			h.write("in.jsonl", strings.Join(lines[:5], "")+strings.Replace(recordA, someSession, soundSession, 1)+"\n")
		},
		args: "import IN", out: `^diverged +claude-code`, kept: inJSONL,
		after: func(h *hostileRun) {
			if code := h.command("verify --strict --expect 9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077@46#pI1GvQdPXA7O_-2BLkn0m_H39-JdnSGWTBjNYXPYSAM", ""); code != exitFine {
				h.Errorf("the log that was there: %s%s", &h.stdout, &h.stderr)
			}
		},
	},
	{
		name: "session that was cut to a stub", lay: func(h *hostileRun) {
			h.write("in.jsonl", strings.SplitAfter(h.fixture(soundTranscript), "\n")[0])
		},
		args: "import IN", out: `0 entries added to 0 logs`, kept: inJSONL,
		after: func(h *hostileRun) {
			if code := h.command("verify --expect 9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077@46#pI1GvQdPXA7O_-2BLkn0m_H39-JdnSGWTBjNYXPYSAM", ""); code != exitFine {
				h.Errorf("the log that was there: %s%s", &h.stdout, &h.stderr)
			}
		},
	},
}
