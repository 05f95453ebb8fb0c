//go:build unix

package opencode

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readOnlyChild names the database, in a process that only imports.
const readOnlyChild = "OWNLOG_TEST_READONLY"

// TestReadOnlyMedia: a database and its -wal that may only be read, in a folder in
// which nothing may be made, are imported all the same and left as they are. To
// the superuser nothing is read-only, so another user imports then.
func TestReadOnlyMedia(t *testing.T) {
	if path := os.Getenv(readOnlyChild); path != "" {
		importReadOnly(t, path)
		return
	}
	x := newTestDB(t)
	x.exec("PRAGMA journal_mode = WAL")
	x.exec("PRAGMA wal_autocheckpoint = 0")
	smallSession(x)
	media := filepath.Join(t.TempDir(), "media")
	if err := os.Mkdir(media, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", walSuffix} {
		b, err := os.ReadFile(x.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(media, "opencode.db"+suffix), b, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(media, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(media, 0o700) })
	before := folderState(t, media)
	path := filepath.Join(media, "opencode.db")
	if os.Geteuid() != 0 {
		importReadOnly(t, path)
	} else {
		runAsNobody(t, path)
	}
	if diff := cmp.Diff(before, folderState(t, media)); diff != "" {
		t.Errorf("the folder changed:\n%s", diff)
	}
}

func importReadOnly(t *testing.T, path string) {
	if f, err := os.OpenFile(path+shmSuffix, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
		t.Fatal("a file can be made in the folder")
	}
	in := newTestImport()
	in.run(t, nil, filepath.Dir(path))
	if diff := cmp.Diff(smallView, in.ok(t).view(t, sessionLogID("ses_a"))); diff != "" {
		t.Errorf("view: want (-), got (+):\n%s", diff)
	}
}

// runAsNobody runs this test again as a user who owns nothing.
func runAsNobody(t *testing.T, path string) {
	for dir := filepath.Dir(filepath.Dir(path)); strings.Contains(dir, t.Name()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	scratch, err := os.MkdirTemp("", "ownlog-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	const nobody = 65534
	if err := os.Chown(scratch, nobody, nobody); err != nil {
		t.Skipf("another user cannot be had here: %v", err)
	}
	// By this name the program runs whatever the folders are in which it lies.
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestReadOnlyMedia$")
	cmd.Dir = "/"
	cmd.Env = []string{readOnlyChild + "=" + path, "TMPDIR=" + scratch, "HOME=" + scratch}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("another user cannot run here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v: %s", err, out)
	}
}
