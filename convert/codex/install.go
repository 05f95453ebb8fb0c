package codex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

var _ convert.Installer = Vendor{}

// InstallRoot implements [convert.Installer].
func (v Vendor) InstallRoot(env convert.Environment) (string, error) {
	roots := v.DefaultRoots(env)
	if len(roots) == 0 {
		return "", errors.New("no home folder is known; set CODEX_HOME")
	}
	return roots[0], nil
}

// endPatience is how long the CLI may take to end.
const endPatience = 5 * time.Second

// installPatience is how long the CLI may take to list and name sessions.
const installPatience = 2 * time.Minute

// rolloutThread cuts the session's id out of a rollout's name. An id that the tool
// would take for a flag is none.
var rolloutThread = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^rollout-.{19}-([0-9A-Za-z_][0-9A-Za-z_-]*)\.jsonl$`)
})

// ResumeCommand implements [convert.Installer].
func (v Vendor) ResumeCommand(in convert.Installed) ([]string, error) {
	thread, err := threadOf(in)
	if err != nil {
		return nil, err
	}
	return []string{"codex", "resume", thread}, nil
}

// threadOf returns the id of the session in place. The last file is the session;
// those before it are what its history begins in.
func threadOf(in convert.Installed) (string, error) {
	if len(in.Files) == 0 {
		return "", errors.New("nothing was installed")
	}
	last := in.Files[len(in.Files)-1]
	m := rolloutThread().FindStringSubmatch(filepath.Base(last))
	if m == nil {
		return "", fmt.Errorf("%s: not named as a session of the tool", last)
	}
	return m[1], nil
}

// Register implements [convert.Installer]: it asks the CLI's app-server for its
// list of sessions, which makes it look for new files, and has it set the name.
func (v Vendor) Register(ctx context.Context, in convert.Installed) error {
	thread, err := threadOf(in)
	if err != nil {
		return err
	}
	command := v.Command
	if command == "" {
		if command, err = exec.LookPath("codex"); err != nil {
			return fmt.Errorf("the files are in place, and `codex resume %s` will find the session; to have it listed the codex command is needed: %w", thread, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, installPatience)
	defer cancel()
	server, err := startAppServer(ctx, command, in.Root)
	if err != nil {
		return err
	}
	err = register(server, thread, in.Title)
	return errors.Join(err, server.close())
}

// register makes the list include a session, and names it.
func register(s *appServer, thread, title string) error {
	found, err := s.lists(thread)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the codex command does not list session %s: it takes only files that show a message of the user", thread)
	}
	if title == "" {
		return nil
	}
	_, err = s.call("thread/name/set", struct {
		ThreadID string `json:"threadId"`
		Name     string `json:"name"`
	}{thread, title})
	return err
}

// appServer is a running `codex app-server`: JSON-RPC, one object a line.
type appServer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *jsontext.Decoder
	id  int64
	end context.CancelFunc // ends it by force
}

type rpcRequest struct {
	ID     int64  `json:"id,omitzero"`
	Method string `json:"method"`
	Params any    `json:"params,omitzero"`
}

type rpcAnswer struct {
	ID     jsontext.Value `json:"id"`
	Method string         `json:"method"`
	Result jsontext.Value `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startAppServer starts the CLI over its home.
func startAppServer(ctx context.Context, command, home string) (*appServer, error) {
	ctx, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, command, "app-server")
	cmd.Env = append(os.Environ(), "CODEX_HOME="+home)
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		end()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		end()
		return nil, err
	}
	s := &appServer{cmd: cmd, in: in, end: end, out: jsontext.NewDecoder(out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	type client struct {
		Name    string `json:"name"`
		Title   string `json:"title"`
		Version string `json:"version"`
	}
	_, err = s.call("initialize", struct {
		ClientInfo client `json:"clientInfo"`
	}{client{"ownlog", "ownlog", writtenVersion}})
	if err == nil {
		err = s.send(rpcRequest{Method: "initialized"})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("codex app-server: %w", err), s.close())
	}
	return s, nil
}

// close ends the CLI by closing its input.
func (s *appServer) close() error {
	err := s.in.Close()
	defer time.AfterFunc(endPatience, s.end).Stop()
	// How it ends says nothing about what it did.
	_ = s.cmd.Wait()
	s.end()
	return err
}

func (s *appServer) send(r rpcRequest) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.in.Write(append(b, '\n'))
	return err
}

// call sends a request and waits for its answer; what comes in between is not for
// us.
func (s *appServer) call(method string, params any) (jsontext.Value, error) {
	s.id++
	if err := s.send(rpcRequest{ID: s.id, Method: method, Params: params}); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	for {
		var a rpcAnswer
		if err := json.UnmarshalDecode(s.out, &a); err != nil {
			return nil, fmt.Errorf("%s: no answer: %w", method, err)
		}
		if a.Method != "" || string(a.ID) != fmt.Sprint(s.id) {
			continue
		}
		if a.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return a.Result, nil
	}
}

type listParams struct {
	Limit          int64    `json:"limit"`
	Cursor         *string  `json:"cursor"`
	ModelProviders []string `json:"modelProviders"`
}

// maxListPages bounds how many pages of sessions are asked for.
const maxListPages = 1000

// lists tells whether the CLI lists a session, after it has looked for new files.
func (s *appServer) lists(thread string) (bool, error) {
	params := listParams{Limit: 100, ModelProviders: []string{}}
	for range maxListPages {
		result, err := s.call("thread/list", params)
		if err != nil {
			return false, err
		}
		var page struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
			NextCursor *string `json:"nextCursor"`
		}
		if err := json.Unmarshal(result, &page); err != nil {
			return false, fmt.Errorf("thread/list: %w", err)
		}
		for _, t := range page.Data {
			if t.ID == thread {
				return true, nil
			}
		}
		if page.NextCursor == nil {
			return false, nil
		}
		params.Cursor = page.NextCursor
	}
	return false, nil
}
