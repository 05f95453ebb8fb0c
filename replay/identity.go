package replay

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/ownlog/ownlog/format"
)

// Clock is the time an executor lives in. Tests inject their own.
type Clock interface {
	Now() time.Time
	// Sleep returns nil after d, or the cause of ctx if that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

// IDs is where random ids come from. Tests inject their own. It must be safe
// for concurrent use.
type IDs interface {
	// EntryID returns 22 base64url characters of 16 random bytes.
	EntryID() string
	// LogID returns the id of a log that mirrors nothing.
	LogID() format.LogID
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep implements [Clock].
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// RandomIDs takes ids from the system's source of randomness.
type RandomIDs struct{}

// EntryID implements [IDs].
func (RandomIDs) EntryID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program if the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// LogID implements [IDs].
func (RandomIDs) LogID() format.LogID { return format.NewLogID() }

// timestamp spells a time as events do.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z") }
