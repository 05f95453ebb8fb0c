package codex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// Vendor reads and writes the Codex CLI's sessions. The zero Vendor is ready for
// use, and safe for concurrent use.
type Vendor struct {
	// Command is the path of the CLI, which only installing needs. Empty: `codex`
	// as the system finds it.
	Command string
}

var (
	_ convert.Vendor = Vendor{}
	_ convert.Guard  = Vendor{}
)

// Name implements [convert.Vendor].
func (v Vendor) Name() string { return Name }

// DefaultRoots implements [convert.Vendor]: CODEX_HOME, else ~/.codex.
func (v Vendor) DefaultRoots(env convert.Environment) []string {
	home := ""
	if env.Getenv != nil {
		home = env.Getenv("CODEX_HOME")
	}
	if home == "" && env.Home != "" {
		home = filepath.Join(env.Home, ".codex")
	}
	if home == "" {
		return nil
	}
	return []string{home}
}

// Import implements [convert.Vendor].
func (v Vendor) Import(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	if src.Kind == convert.ClaimSide {
		return importSide(ctx, m, src)
	}
	for _, f := range src.Files {
		if err := importRollout(ctx, m, src, f); err != nil {
			return err
		}
	}
	return nil
}

// importRollout mirrors one rollout.
func importRollout(ctx context.Context, m *convert.Mirror, src convert.Source, f convert.File) error {
	head, err := readHead(ctx, src, f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if len(src.Projects) > 0 {
		folder, err := readFolder(ctx, src, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if !src.Projects.Hold(folder) {
			return &convert.OtherProjectError{Session: head.id, Folder: folder}
		}
	}
	name := convert.LogName{Vendor: Name, Kind: convert.LogSession, ID: head.id}
	var base *basePoint
	if head.base != nil {
		if base, err = findBase(ctx, m.Store(), *head.base); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if base == nil && !src.ParentMissing {
			return &convert.NeedsParentError{Session: head.base.thread}
		}
	}
	t := convert.Transcript{
		Vendor: Name, Path: f.Path, Final: src.Final,
		NewMapper: func(findings convert.Findings) convert.Mapper { return NewMapper(findings, Base{}) },
	}
	if base != nil {
		if base.fork.Size > 0 {
			name = forkName(head.id, base.fork)
			t.Base = &base.fork
		}
		mapper, err := base.mapper(ctx, m.Store())
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		t.NewMapper = mapper
	}
	// Which record named the log was found above; here every record is as good.
	t.Identify = func(*convert.Record) (convert.LogName, bool) { return name, true }
	content, err := openRollout(ctx, src, f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	t.Content = content
	_, err = m.MirrorTranscript(ctx, t)
	return errors.Join(err, content.Close())
}

// readHead reads records until one names the session.
func readHead(ctx context.Context, src convert.Source, f convert.File) (sessionHead, error) {
	content, err := openRollout(ctx, src, f)
	if err != nil {
		return sessionHead{}, err
	}
	head, err := identifyRollout(content, src.Final)
	return head, errors.Join(err, content.Close())
}

func identifyRollout(content io.Reader, final bool) (sessionHead, error) {
	var id identifier
	r := convert.NewRecordReader(content, final)
	nameless := "" // its name if no record has an id: by its first record
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return sessionHead{id: nameless}, nil
		}
		if err != nil {
			return sessionHead{}, err
		}
		if nameless == "" {
			sum := sha256.Sum256(rec.Bytes)
			nameless = hex.EncodeToString(sum[:])
		}
		if rec.Damaged {
			continue
		}
		if head, done := id.identify(&rec); done {
			return head, nil
		}
	}
}

// forkName names the log of a session whose history begins in another log.
func forkName(session string, base format.Fork) convert.LogName {
	return convert.LogName{
		Vendor: Name, Kind: convert.LogFork,
		ID: fmt.Sprintf("%s@%s@%d", session, base.Log, base.Size),
	}
}
