package schema

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// places counts where content stands.
type places struct{ Texts, Values, Blobs, Args, Seals int }

// count walks any value and counts the places that a visitor is to be shown.
func (p *places) count(v reflect.Value) {
	switch x := v.Interface().(type) {
	case Text:
		p.Texts++
		return
	case jsontext.Value:
		p.Values++
		return
	case Blob:
		p.Blobs++
		return
	case Block:
		if x.Args != nil {
			p.Args++
			p.Values-- // arguments are shown as such
			p.Texts--
		}
	case Seal:
		if x.Item != nil {
			p.Seals++
			p.Values--
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.count(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			p.count(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.count(v.Index(i))
		}
	}
}

// The visitor is shown every text, vendor value, blob, argument and seal of every
// type: none is forgotten when long content becomes blobs or blobs are collected.
func TestVisitorSeesEverything(t *testing.T) {
	for _, typ := range Types() {
		ev := fullEvent(typ)
		var want, got places
		want.count(reflect.ValueOf(ev.Data))
		v := visitor{
			text:  func(*Text) { got.Texts++ },
			value: func(*jsontext.Value) { got.Values++ },
			args:  func(*Block) { got.Args++ },
			seal:  func(*Seal) { got.Seals++ },
			blob:  func(*Blob) { got.Blobs++ },
		}
		v.event(ev)
		if typ == TypeToolResult { // its second part is an image: it has neither text nor item
			want.Texts--
			want.Values--
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: places (-there +shown):\n%s", typ, d)
		}
	}
}
