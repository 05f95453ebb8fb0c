package format_test

import (
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

func TestMemStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) format.Store { return new(format.MemStore) })
}

func TestDirStore(t *testing.T) {
	for _, test := range []struct {
		name string
		opts []format.DirOption
	}{
		{"default", nil},
		{"unsynced", []format.DirOption{format.WithoutSync()}},
		{"one segment a batch", []format.DirOption{format.WithoutSync(), format.WithRollSize(1)}},
		{"small segments", []format.DirOption{format.WithoutSync(), format.WithRollSize(2000)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) format.Store { return openDir(t, t.TempDir(), test.opts...) })
		})
	}
}

func openDir(t *testing.T, dir string, opts ...format.DirOption) *format.DirStore {
	t.Helper()
	s, err := format.OpenDirStore(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}
