package tool_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ownlog/ownlog/replay/tool"
)

// FuzzPatch applies any patch: nothing outside the working directory changes.
func FuzzPatch(f *testing.F) {
	f.Add("*** Begin Patch\n*** Add File: a\n+x\n*** Update File: one.txt\n*** Move to: two.txt\n@@ a\n-b\n+c\n*** Delete File: gone\n*** End Patch")
	f.Add("*** Begin Patch\n*** Update File: one.txt\n@@\n a\n-b\n+B\n\n*** End of File\n*** End Patch")
	f.Add("*** Begin Patch\n*** Update File: ../secret\n@@\n-SECRET\n+x\n*** End Patch")
	f.Fuzz(func(t *testing.T, patch string) {
		top := t.TempDir()
		dir, secret := filepath.Join(top, "work"), filepath.Join(top, "secret")
		for path, content := range map[string]string{secret: "SECRET", filepath.Join(dir, "one.txt"): "a\nb\nc\n"} {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w, err := tool.OpenWorkspace(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := (tool.Patch{}).Run(t.Context(), tool.Call{Text: patch, Workspace: w}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(secret); err != nil || string(got) != "SECRET" {
			t.Fatalf("the secret is %q, %v", got, err)
		}
		entries, err := os.ReadDir(top)
		if err != nil || len(entries) != 2 {
			t.Fatalf("beside the working directory: %v, %v", entries, err)
		}
	})
}
