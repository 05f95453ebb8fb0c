package opencode

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// elide runs the elider and puts the long strings back into the skeleton.
func elide(t testing.TB, text string) (skeleton string, blobs map[string]string, err error) {
	t.Helper()
	blobs = make(map[string]string)
	e := newElider(strings.NewReader(text), func(r io.Reader) (schema.Blob, error) {
		b, err := io.ReadAll(r)
		ref := convert.NewBlob(b, "").Ref
		blobs[ref.Digest] = string(b)
		return ref, err
	})
	err = e.run()
	return strings.ReplaceAll(string(e.skeleton), e.mark, "@"), blobs, err
}

func TestElide(t *testing.T) {
	long := strings.Repeat("é\\n\\ud83d\\ude00x", 40000)
	plain := strings.Repeat("é\n😀x", 40000)
	skeleton, blobs, err := elide(t, `{"a" : "short","b":["`+long+`", 1.5e3 ],"c":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	ref := convert.NewBlob([]byte(plain), "").Ref
	if want := `{"a":"short","b":["@` + ref.Digest + `",1.5e3],"c":{}}`; skeleton != want {
		t.Errorf("got %s, want %s", skeleton, want)
	}
	if diff := cmp.Diff(map[string]string{ref.Digest: plain}, blobs); diff != "" {
		t.Error("the long string is not in its blob")
	}
	for _, bad := range []string{`{"a":"` + long, `{"a":"` + long + `\x"}`, `{"a":"` + long + "\n\"}", ` {}`, `{} `, `{}{}`, ``, `{"a":01}`, `[1,]`, `{,}`, `nul`, `"\u12g4"`} {
		if _, _, err := elide(t, bad); !errors.Is(err, errNotJSON) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
}

// FuzzElide: what the elider takes is what the JSON library takes.
func FuzzElide(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+7,true,false,null,"\u00e9\ud800"]}`, `[[[]]]`, `{"":{}}`, `-`, `"\ud83d\ude00"`, "\"\xff\"", `[1 ,2]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _, err := elide(t, s)
		want := isJSON([]byte(s)) && len(bytes.TrimSpace([]byte(s))) == len(s)
		if (err == nil) != want {
			t.Errorf("%q: taken %t, JSON %t (%v)", s, err == nil, want, err)
		}
	})
}
