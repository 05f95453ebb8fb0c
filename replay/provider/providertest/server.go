package providertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// Reply is one scripted answer of a strict server.
type Reply struct {
	Reasoning string // sealed by the server
	Text      string
	Calls     []ReplyCall
	Stop      string // in the API's words; empty: as fits
	Fault     Fault
}

// ReplyCall is a tool call of a [Reply].
type ReplyCall struct {
	ID, Name, Args string
}

// Fault is what goes wrong with a [Reply].
type Fault struct {
	Status     int    // of the HTTP response, instead of an answer
	Body       string // of it
	RetryAfter string // header of it
	Date       string // header of it; empty: the server's own
	Events     []string
	// Drop ends the connection after that many events; Malformed sends an event
	// that is none there instead; Silent sends nothing more for that long.
	After     int
	Drop      bool
	Malformed bool
	Silent    time.Duration
	// InStream sends this event there.
	InStream string
}

// Style is how an API streams.
type Style struct {
	// Check judges a request's body.
	Check func(body []byte) error
	// Path is the end of the URL's path; KeyHeader the header that the key is in.
	Path      string
	KeyHeader string
	// Events makes the events of an answer.
	Events func(r *Reply, n int) []string
	// Refuse makes the body of an error.
	Refuse func(message string) string
}

// Server is a strict server of an API. It refuses what the real API refuses and
// answers with its replies in turn.
type Server struct {
	*httptest.Server
	style   Style
	mu      sync.Mutex
	replies []Reply
	n       int
	Bodies  [][]byte // requests it has taken
}

// NewServer starts a server.
func NewServer(t testing.TB, style Style, replies ...Reply) *Server {
	s := &Server{style: style, replies: replies}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && !strings.HasSuffix(r.URL.Path, s.style.Path) {
		err = fmt.Errorf("no such path: %s", r.URL.Path)
	}
	if err == nil && !strings.Contains(r.Header.Get(s.style.KeyHeader), Key) {
		http.Error(w, s.style.Refuse("the key is missing or wrong"), http.StatusUnauthorized)
		return
	}
	if err == nil {
		err = s.style.Check(body)
	}
	if err != nil {
		http.Error(w, s.style.Refuse(err.Error()), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.Bodies = append(s.Bodies, body)
	n := s.n
	s.n++
	s.mu.Unlock()
	if n >= len(s.replies) {
		http.Error(w, s.style.Refuse("the script is over"), http.StatusInternalServerError)
		return
	}
	reply := &s.replies[n]
	if f := reply.Fault; f.Status != 0 {
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Date != "" {
			w.Header().Set("Date", f.Date)
		}
		http.Error(w, f.Body, f.Status)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	s.stream(w, r, reply, n)
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, reply *Reply, n int) {
	f := &reply.Fault
	flush := http.NewResponseController(w)
	for i, ev := range s.style.Events(reply, n) {
		faulty := f.After > 0 && i == f.After
		switch {
		case faulty && f.Drop:
			panic(http.ErrAbortHandler)
		case faulty && f.Malformed:
			_, _ = io.WriteString(w, "data: {\"not\": json\n\n")
		case faulty && f.InStream != "":
			_, _ = io.WriteString(w, f.InStream+"\n\n")
		case faulty && f.Silent > 0:
			_ = flush.Flush()
			select {
			case <-time.After(f.Silent):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, ev+"\n\n")
		_ = flush.Flush()
	}
}

// Key is the key that strict servers want.
const Key = "key-for-tests-only"

// q quotes a string as JSON.
func q(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return string(b)
}

// halves cuts a text in two, between characters.
func halves(s string) [2]string {
	r := []rune(s)
	return [2]string{string(r[:len(r)/2]), string(r[len(r)/2:])}
}
