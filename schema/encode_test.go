package schema

import (
	"bytes"
	"math/rand"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// TestEncodeIsPackageJSON: an event is written as package json would write it,
// whichever of its members are set.
func TestEncodeIsPackageJSON(t *testing.T) {
	rng := rand.New(rand.NewSource(1)) //nolint:gosec // a test wants the same numbers each time
	for _, typ := range Types() {
		for range 100 {
			ev := &Event{Data: NewData(typ)}
			fillSome(rng, reflect.ValueOf(ev).Elem(), 0)
			fillSome(rng, reflect.ValueOf(ev.Data).Elem(), 0)
			checkEncoding(t, ev)
		}
	}
}

func checkEncoding(t *testing.T, ev *Event) {
	t.Helper()
	got, err := Encode(nil, ev)
	var want bytes.Buffer
	if wantErr := json.MarshalWrite(&want, ev, encodeOptions); (err == nil) != (wantErr == nil) {
		t.Fatalf("error %v, package json says %v", err, wantErr)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Fatalf("%s (-package json +got):\n%s", ev.Type, diff)
	}
}

// fillSome sets about half of what v is made of.
func fillSome(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case jsontext.Value:
		values := []string{"", `{"a":[1.50,"\u00e9\/x"],"b":{}}`, ` [ 1 , {"x" : null } ] `, `"é"`, `[]`}
		if s := values[rng.Intn(len(values))]; s != "" {
			v.SetBytes([]byte(s))
		}
		return
	case Data:
		return
	}
	switch v.Kind() {
	case reflect.String:
		texts := []string{"", "", "plain", "twelve bytes", "a \"quote\"\\ and\n\t\r\b\f\x00\x1f\x7f end", "é€😀 and more text", "bad \xff\xc3 utf-8 \xed\xa0\x80", "<&>\u2028\u2029"}
		v.SetString(texts[rng.Intn(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 1<<53 - 1}[rng.Intn(4)])
	case reflect.Bool:
		v.SetBool(rng.Intn(2) == 0)
	case reflect.Pointer:
		if rng.Intn(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fillSome(rng, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if n := rng.Intn(4) - 1; n >= 0 && depth < 6 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fillSome(rng, v.Index(i), depth+1)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillSome(rng, v.Field(i), depth+1)
		}
	}
}

// FuzzEncode compares with package json, too.
func FuzzEncode(f *testing.F) {
	for _, norm := range goldenEvents(f) {
		f.Add(norm)
	}
	f.Fuzz(func(t *testing.T, norm []byte) {
		if ev, err := Decode(norm); err == nil {
			checkEncoding(t, ev)
		}
	})
}
