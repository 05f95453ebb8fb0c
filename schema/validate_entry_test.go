package schema

import "testing"

// TestEntriesThatAreNoEvents: what is no object, and what its JSON Schema refuses.
func TestEntriesThatAreNoEvents(t *testing.T) {
	schemas, err := NewSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, entry, want string }{
		{"cut off", `{"v":1,"type":`, ProblemJSON},
		{"a type that is a number", `{"v":1,"type":"user.message","actor":{"kind":"user"},"data":{"content":7}}`, ProblemSchema},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := make(map[string]bool)
			report := func(p Problem) { found[p.Code] = true }
			NewValidator(ValidatorOptions{Report: report}).Entry(0, []byte(tt.entry), false)
			schemas.Validate(0, []byte(tt.entry), report)
			if !found[tt.want] {
				t.Errorf("found %v, want %s", found, tt.want)
			}
		})
	}
}
