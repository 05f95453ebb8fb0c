package providers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// packages returns a folder in which the npm packages are installed, with the
// programs and types beside them.
func packages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "tsconfig.json", "requests.ts", "schemas.mjs", "mock.mjs"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if home := os.Getenv("OWNLOG_PROVIDERS"); home != "" {
		if err := os.Symlink(filepath.Join(home, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	run(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	return dir
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// compile makes the schemas of the requests of all APIs of the vendors' types.
func compile(t *testing.T, dir string) map[api]*jsonschema.Schema {
	t.Helper()
	out := t.TempDir()
	apis := []api{messages, openAIResponses, chatCompletions, generateContent}
	args := []string{"schemas.mjs", out}
	for _, a := range apis {
		args = append(args, string(a))
	}
	run(t, dir, "node", args...)
	schemas := make(map[api]*jsonschema.Schema)
	for _, a := range apis {
		s, err := jsonschema.Compile(filepath.Join(out, string(a)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		schemas[a] = s
	}
	return schemas
}
