package convert

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Projects limits an import to sessions that worked in one of these folders or
// below it. An empty list is no limit. Folders are compared as they are spelled,
// since a session may come from another machine.
type Projects []string

// Hold tells whether a session that worked in that folder is asked for. One that
// names no folder is asked for only without a limit.
func (p Projects) Hold(folder string) bool {
	if len(p) == 0 {
		return true
	}
	for _, project := range p {
		rest, found := strings.CutPrefix(folder, strings.TrimRight(project, `/\`))
		if found && (rest == "" || rest[0] == '/' || rest[0] == '\\') && folder != "" {
			return true
		}
	}
	return false
}

// OtherProjectError: the session of a source did not work in one of the projects
// that were asked for. Its files are refused, unless one that is asked for
// continues it.
type OtherProjectError struct {
	Session string // the vendor's id
	Folder  string // empty: no record names one
}

func (e *OtherProjectError) Error() string {
	if e.Folder == "" {
		return "names no folder, so it is of no project"
	}
	return fmt.Sprintf("of another project, %q", e.Folder)
}

// errOtherSide: side files go with their session.
var errOtherSide = &RefusedError{Reason: "belongs to a session of another project"}

// WantSide returns a [RefusedError] if projects leave out the side files of a
// session: if this run did not import a transcript of it, and its log does not
// say that it worked in one of them.
func (m *Mirror) WantSide(ctx context.Context, projects Projects, vendor, session string) error {
	name := LogName{Vendor: vendor, Kind: LogSession, ID: session}
	if len(projects) == 0 || m.sessions[name] {
		return nil
	}
	folder, err := folderOf(ctx, m.store, name.LogID())
	if err == nil && !projects.Hold(folder) {
		err = errOtherSide
	}
	return err
}

// folderOf returns the folder that a log says its session worked in, empty if
// the log is not there.
func folderOf(ctx context.Context, store format.Store, log format.LogID) (folder string, err error) {
	if _, err := store.Info(ctx, log); err != nil {
		if errors.Is(err, format.ErrNotFound) {
			err = nil
		}
		return "", err
	}
	found := errors.New("found")
	err = WalkEvents(ctx, store, log, 0, -1, func(e LogEvent) error {
		if e.Event != nil {
			if opened, ok := e.Event.Data.(*schema.SessionOpened); ok {
				folder = opened.CWD
				return found
			}
		}
		return nil
	})
	if err == found {
		err = nil
	}
	return folder, err
}

// took notes the session that a transcript belongs to, for its side files.
func (m *Mirror) took(name LogName) {
	session, _, _ := strings.Cut(name.ID, "@") // of a fork
	session, _, _ = strings.Cut(session, "/")  // of an agent
	m.sessions[LogName{Vendor: name.Vendor, Kind: LogSession, ID: session}] = true
}
