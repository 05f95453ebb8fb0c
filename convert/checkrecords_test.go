package convert

import "testing"

func TestOddCharacters(t *testing.T) {
	tests := []struct {
		in        string
		nul, lone bool
	}{
		{`{"a":"plain"}`, false, false},
		{`{"a":"\ud83d\ude00 \u00e9 \\ud83d \\\\u0000 \n"}`, false, false},
		{`{"a":"\u0000"}`, true, false},
		{"{\"a\":\"\x00\"}", true, false},
		{`{"a":"\ud83d"}`, false, true},
		{`{"a":"\ude00\ud83d"}`, false, true},
		{`{"a":"\ud83d\ud83d\ude00"}`, false, true},
		{`{"a":"\\\ud83d"}`, false, true},
		{`\`, false, false},
		{`\u12`, false, false},
		{`\uD83D\uDE0`, false, true},
	}
	for _, tt := range tests {
		if nul, lone := oddCharacters([]byte(tt.in)); nul != tt.nul || lone != tt.lone {
			t.Errorf("%q: NUL %v, lone surrogate %v; want %v, %v", tt.in, nul, lone, tt.nul, tt.lone)
		}
	}
}
