package convert

import "context"

// Installer is a [Vendor] whose tool can be given sessions: files in its folder,
// and where it keeps a list of sessions, a word to the tool about them.
type Installer interface {
	// InstallRoot returns the folder into which the files of an export go so that
	// the tool finds them.
	InstallRoot(env Environment) (string, error)
	// Register makes the tool list the sessions whose files are in place. It runs
	// the tool; the tool's own databases are never touched.
	Register(ctx context.Context, installed Installed) error
	// ResumeCommand returns the tool's own command that goes on with the session
	// in place: the name of the program and its arguments, to be run in the
	// session's working folder. None of them begins with a hyphen or means
	// anything to a shell unless it is a flag given here.
	ResumeCommand(installed Installed) ([]string, error)
}

// Installed says what was put in place.
type Installed struct {
	Root  string   // see [Installer.InstallRoot]
	Files []string // paths of the files
	// Title is what the session is to be called; empty: the tool decides.
	Title string
}
