package opencode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

var _ convert.Installer = Vendor{}

// installPatience is how long one run of the tool may take.
const installPatience = 5 * time.Minute

// InstallRoot implements [convert.Installer]: a cache folder, since the tool
// keeps sessions in a database that only it writes to.
func (Vendor) InstallRoot(env convert.Environment) (string, error) {
	cache := env.Getenv("XDG_CACHE_HOME")
	switch {
	case filepath.IsAbs(cache):
	case env.Home == "":
		return "", errors.New("no home folder is known")
	default:
		cache = filepath.Join(env.Home, ".cache")
	}
	return filepath.Join(cache, "ownlog", VendorName), nil
}

// Register implements [convert.Installer]: it runs the tool's own import on each
// file, in the project folder that the file names, and then its export, and
// compares. The tool drops rows without a word when their ids are taken; an
// [InstallError] names them.
func (v Vendor) Register(ctx context.Context, in convert.Installed) error {
	command := v.Command
	if command == "" {
		var err error
		if command, err = exec.LookPath("opencode"); err != nil {
			return fmt.Errorf("the files are in place for `opencode import`; to run it here the opencode command is needed: %w", err)
		}
	}
	for _, file := range in.Files {
		if err := register(ctx, command, file); err != nil {
			return err
		}
	}
	return nil
}

// ResumeCommand implements [convert.Installer]. The last file is the session;
// those before it are its subagents'.
func (Vendor) ResumeCommand(in convert.Installed) ([]string, error) {
	if len(in.Files) == 0 {
		return nil, errors.New("nothing was installed")
	}
	last := in.Files[len(in.Files)-1]
	id, ok := strings.CutSuffix(filepath.Base(last), ".json")
	if !ok || !strings.HasPrefix(id, "ses_") || !plainName(id) {
		return nil, fmt.Errorf("%s: not named as a session of the tool", last)
	}
	return []string{"opencode", "--session", id}, nil
}

func register(ctx context.Context, command, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	session, project := stringAt(b, "/info/id"), stringAt(b, "/info/directory")
	if st, err := os.Stat(project); err != nil || !st.IsDir() || !filepath.IsAbs(project) {
		return fmt.Errorf("%s: the session's folder %q does not exist here; export it with --cwd", file, project)
	}
	if err := checkImportFile(b); err != nil {
		return fmt.Errorf("%s: `opencode import` would stop in the middle and leave half a session; nothing was handed to it: %w", file, err)
	}
	if _, err := runTool(ctx, command, project, "import", file); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	stored, err := runTool(ctx, command, project, "export", session)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return CompareStored(file, b, stored)
}

// runTool runs the tool and returns its standard output, which goes through a
// file: the tool may end before a pipe is drained.
func runTool(ctx context.Context, command, dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, installPatience)
	defer cancel()
	out, err := os.CreateTemp("", "ownlog-opencode-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, &stderr
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	printed, readErr := os.ReadFile(out.Name())
	if err != nil {
		said := strings.TrimSpace(stderr.String() + string(printed))
		return nil, fmt.Errorf("opencode %s: %w: %s", args[0], err, said[:min(len(said), 500)])
	}
	return printed, readErr
}

// InstallError: the tool did not store everything that a file holds, although it
// said that it imported the session.
type InstallError struct {
	File    string
	Missing []string // messages and parts
	Changed []string
}

func (e *InstallError) Error() string {
	first := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		return fmt.Sprintf("%d (first %s)", len(list), list[0])
	}
	return fmt.Sprintf("%s: the tool did not store all of it: missing %s, changed %s; ids that another session of the database has are dropped",
		e.File, first(e.Missing), first(e.Changed))
}

// CompareStored compares what a file for `opencode import` says with what the tool
// has stored of it, as `opencode export` prints it: an [InstallError] names the
// messages and parts that are missing or say something else. Members that the tool
// does not know may be missing. file is for messages.
func CompareStored(file string, sent, stored []byte) error {
	var want, got exportDocument
	if err := unmarshal(sent, &want); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if i := bytes.IndexByte(stored, '{'); i > 0 {
		stored = stored[i:]
	}
	if err := unmarshal(stored, &got); err != nil {
		return fmt.Errorf("%s: `opencode export` printed no session: %w", file, err)
	}
	have := make(map[string]jsontext.Value)
	for _, m := range got.Messages {
		have[stringAt(m.Info, "/id")] = m.Info
		for _, p := range m.Parts {
			have[stringAt(p, "/id")] = p
		}
	}
	failed := &InstallError{File: file}
	check := func(v jsontext.Value) {
		id := stringAt(v, "/id")
		switch there, ok := have[id]; {
		case !ok:
			failed.Missing = append(failed.Missing, id)
		case !holds(v, there):
			failed.Changed = append(failed.Changed, id)
		}
	}
	for _, m := range want.Messages {
		check(m.Info)
		for _, p := range m.Parts {
			check(p)
		}
	}
	if failed.Missing != nil || failed.Changed != nil {
		return failed
	}
	return nil
}

// holds reports whether sent says everything that stored says: the tool leaves
// out members that it does not know, and nothing else.
func holds(sent, stored jsontext.Value) bool {
	if sent.Kind() != '{' || stored.Kind() != '{' {
		return bytes.Equal(canonical(sent), canonical(stored))
	}
	same := true
	err := members(stored, func(name string, value jsontext.Value) error {
		same = same && holds(member(sent, name), value)
		return nil
	})
	return err == nil && same
}

// canonical is one spelling of a JSON value; one that has none stays as it is.
func canonical(v jsontext.Value) jsontext.Value {
	out := v.Clone()
	if out.Canonicalize(lenient...) != nil {
		return v
	}
	return out
}
