package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// simDisk is a machine's disk and page cache in memory. It loses what a real one
// may lose: sectors that were not synced, in any combination, and names whose
// directory was not.
type simDisk struct {
	mu    sync.Mutex
	boot  int
	inode uint64
	root  *simInode
	locks map[uint64]*simLock
}

// simInode is a file or a directory.
type simInode struct {
	id uint64
	// Of a file: what reading gives, what is on the disk for sure, and which
	// sectors were written since. A sector whose sync failed is clean but not on
	// the disk: a later sync does not write it.
	data, durable []byte
	dirty         map[int64]bool
	// Of a directory: names as they are, as they are on the disk for sure, and
	// what was done since.
	names, onDisk map[string]*simInode
	ops           []func(names map[string]*simInode)
}

type simLock struct {
	exclusive *simProc
	shared    map[*simProc]int
}

func newSimDisk() *simDisk {
	d := &simDisk{boot: 1, locks: map[uint64]*simLock{}}
	d.root = d.newDir()
	return d
}

func (d *simDisk) newInode() *simInode {
	d.inode++
	return &simInode{id: d.inode, dirty: map[int64]bool{}}
}

func (d *simDisk) newDir() *simInode {
	n := d.newInode()
	n.names, n.onDisk = map[string]*simInode{}, map[string]*simInode{}
	return n
}

// crash is a loss of power: what was not durable is kept or lost by chance.
func (d *simDisk) crash(rng *rand.Rand) {
	d.boot++
	d.locks = map[uint64]*simLock{}
	d.root.crash(rng, map[*simInode]bool{})
}

func (n *simInode) crash(rng *rand.Rand, seen map[*simInode]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	if n.names == nil {
		n.crashFile(rng)
		return
	}
	names := maps.Clone(n.onDisk)
	all := rng.IntN(3) == 0
	for _, op := range n.ops {
		if all || rng.IntN(2) == 0 {
			op(names)
		}
	}
	n.names, n.onDisk, n.ops = names, maps.Clone(names), nil
	for _, name := range slices.Sorted(maps.Keys(names)) {
		names[name].crash(rng, seen)
	}
}

func (n *simInode) crashFile(rng *rand.Rand) {
	size := len(n.durable)
	if grown := len(n.data) - size; grown > 0 {
		switch rng.IntN(4) {
		case 0:
		case 1:
			size += rng.IntN(grown + 1)
		default:
			size = len(n.data)
		}
	}
	after := make([]byte, size)
	copy(after, n.durable)
	keep := rng.IntN(4) // 0: all, 1: none, else by chance
	for sector := range n.dirty {
		from := int(sector * sectorSize)
		if from >= size || keep == 1 || keep > 1 && rng.IntN(2) == 0 {
			continue
		}
		copy(after[from:], n.data[from:min(len(n.data), from+sectorSize)])
	}
	n.data, n.durable, n.dirty = after, slices.Clone(after), map[int64]bool{}
}

// sync makes a file durable. If it fails, what was written looks clean and is not.
func (n *simInode) sync(fail bool) {
	if !fail {
		grown := make([]byte, len(n.data))
		copy(grown, n.durable)
		for sector := range n.dirty {
			from := int(sector * sectorSize)
			if from < len(n.data) {
				copy(grown[from:min(len(n.data), from+sectorSize)], n.data[from:])
			}
		}
		n.durable = grown
	}
	n.dirty = map[int64]bool{}
}

// simProc is a process: a file system of its own view, its locks, its death.
type simProc struct {
	disk *simDisk
	dead bool
	// fault, if set, is asked before each operation. An error ends it; of a
	// write, half is done.
	fault func(op, name string) error
	ops   int
	read  int64 // bytes
}

// errShortWrite makes a write do half and say so, without an error.
var errShortWrite = errors.New("short write")

var errDead = errors.New("the process is dead")

// kill ends the process and gives its locks free.
func (p *simProc) kill() {
	p.dead = true
	for _, l := range p.disk.locks {
		if l.exclusive == p {
			l.exclusive = nil
		}
		delete(l.shared, p)
	}
}

func (p *simProc) check(op, name string) error {
	if p.dead {
		return errDead
	}
	p.ops++
	if p.fault == nil {
		return nil
	}
	if err := p.fault(op, name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// find returns the directory that holds name, and the last element of name.
func (p *simProc) find(name string) (*simInode, string, error) {
	dir := p.disk.root
	parts := strings.Split(strings.Trim(filepath.ToSlash(name), "/"), "/")
	for _, part := range parts[:len(parts)-1] {
		dir = dir.names[part]
		if dir == nil || dir.names == nil {
			return nil, "", &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
		}
	}
	return dir, parts[len(parts)-1], nil
}

// change applies op to the names of a directory, now and perhaps after a crash.
func (n *simInode) change(op func(map[string]*simInode)) {
	op(n.names)
	n.ops = append(n.ops, op)
}

func (p *simProc) Open(name string, flag int) (fsFile, error) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	op := "open"
	if flag&os.O_CREATE != 0 {
		op = "create"
	}
	if err := p.check(op, name); err != nil {
		return nil, err
	}
	dir, base, err := p.find(name)
	if err != nil {
		return nil, err
	}
	n := dir.names[base]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	case n == nil:
		n = p.disk.newInode()
		dir.change(func(names map[string]*simInode) { names[base] = n })
	}
	return &simFile{p: p, n: n, name: name}, nil
}

func (p *simProc) Mkdir(name string) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("mkdir", name); err != nil {
		return err
	}
	dir, base, err := p.find(name)
	if err != nil {
		return err
	}
	if dir.names[base] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	n := p.disk.newDir()
	dir.change(func(names map[string]*simInode) { names[base] = n })
	return nil
}

func (p *simProc) ReadDir(name string) ([]fs.DirEntry, error) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("readdir", name); err != nil {
		return nil, err
	}
	parent, base, err := p.find(name)
	if err != nil {
		return nil, err
	}
	dir := parent.names[base]
	if dir == nil || dir.names == nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(dir.names)) {
		list = append(list, simEntry{name, dir.names[name]})
	}
	return list, nil
}

func (p *simProc) Stat(name string) (fsStat, error) {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("stat", name); err != nil {
		return fsStat{}, err
	}
	dir, base, err := p.find(name)
	if err != nil {
		return fsStat{}, err
	}
	n := dir.names[base]
	if n == nil {
		return fsStat{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return fsStat{ID: n.id, Size: int64(len(n.data))}, nil
}

func (p *simProc) Link(old, name string) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("link", name); err != nil {
		return err
	}
	from, oldBase, err := p.find(old)
	if err != nil {
		return err
	}
	to, base, err := p.find(name)
	if err != nil {
		return err
	}
	if to.names[base] != nil {
		return &os.LinkError{Op: "link", Old: old, New: name, Err: fs.ErrExist}
	}
	n := from.names[oldBase]
	to.change(func(names map[string]*simInode) { names[base] = n })
	return nil
}

func (p *simProc) Rename(old, name string) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("rename", name); err != nil {
		return err
	}
	from, oldBase, err := p.find(old)
	if err != nil {
		return err
	}
	to, base, err := p.find(name)
	if err != nil {
		return err
	}
	n := from.names[oldBase]
	if n == nil {
		return &os.LinkError{Op: "rename", Old: old, New: name, Err: fs.ErrNotExist}
	}
	if from != to {
		// Not atomic over a crash here: nothing in the store relies on it.
		from.change(func(names map[string]*simInode) { delete(names, oldBase) })
		to.change(func(names map[string]*simInode) { names[base] = n })
		return nil
	}
	to.change(func(names map[string]*simInode) {
		if names[oldBase] == n {
			delete(names, oldBase)
		}
		names[base] = n
	})
	return nil
}

func (p *simProc) Remove(name string) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if err := p.check("remove", name); err != nil {
		return err
	}
	dir, base, err := p.find(name)
	if err != nil {
		return err
	}
	n := dir.names[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	dir.change(func(names map[string]*simInode) {
		if names[base] == n {
			delete(names, base)
		}
	})
	return nil
}

func (p *simProc) SyncDir(name string) error {
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	err := p.check("syncdir", name)
	if p.dead {
		return err
	}
	dir := p.disk.root
	if strings.Trim(name, "/") != "" {
		parent, base, err := p.find(name)
		if err != nil {
			return err
		}
		dir = parent.names[base]
	}
	if err != nil {
		return err
	}
	dir.onDisk, dir.ops = maps.Clone(dir.names), nil
	return nil
}

func (p *simProc) BootID() string { return fmt.Sprint("boot-", p.disk.boot) }

type simEntry struct {
	name string
	n    *simInode
}

func (e simEntry) Name() string { return e.name }
func (e simEntry) IsDir() bool  { return e.n.names != nil }
func (e simEntry) Type() fs.FileMode {
	if e.IsDir() {
		return fs.ModeDir
	}
	return 0
}
func (e simEntry) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// simFile is an open file of a process.
type simFile struct {
	p    *simProc
	n    *simInode
	name string
}

func (f *simFile) ReadAt(b []byte, off int64) (int, error) {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	if err := f.p.check("read", f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[off:])
	f.p.read += int64(n)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) WriteAt(b []byte, off int64) (int, error) {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	err := f.p.check("write", f.name)
	if f.p.dead && err == errDead {
		return 0, err
	}
	switch {
	case errors.Is(err, errShortWrite):
		b, err = b[:(len(b)+1)/2], nil
	case err != nil:
		b = b[:len(b)/2]
	}
	end := off + int64(len(b))
	if grow := end - int64(len(f.n.data)); grow > 0 {
		f.n.data = append(f.n.data, make([]byte, grow)...)
	}
	copy(f.n.data[off:], b)
	for sector := off / sectorSize; sector*sectorSize < end; sector++ {
		f.n.dirty[sector] = true
	}
	return len(b), err
}

func (f *simFile) Stat() (fsStat, error) {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	if err := f.p.check("fstat", f.name); err != nil {
		return fsStat{}, err
	}
	return fsStat{ID: f.n.id, Size: int64(len(f.n.data))}, nil
}

func (f *simFile) Sync() error {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	err := f.p.check("sync", f.name)
	if f.p.dead {
		return errDead
	}
	f.n.sync(err != nil)
	return err
}

func (f *simFile) Datasync() error { return f.Sync() }

func (f *simFile) Close() error {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	f.unlock()
	return nil
}

// Lock is per process and file, which is enough for a process with one store.
func (f *simFile) Lock(ctx context.Context, exclusive bool) error {
	for {
		f.p.disk.mu.Lock()
		err := f.p.check("lock", f.name)
		if err == nil && f.tryLock(exclusive) {
			f.p.disk.mu.Unlock()
			return nil
		}
		f.p.disk.mu.Unlock()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
}

func (f *simFile) tryLock(exclusive bool) bool {
	l := f.p.disk.locks[f.n.id]
	if l == nil {
		l = &simLock{shared: map[*simProc]int{}}
		f.p.disk.locks[f.n.id] = l
	}
	if l.exclusive != nil && l.exclusive != f.p {
		return false
	}
	if exclusive {
		for p := range l.shared {
			if p != f.p {
				return false
			}
		}
		l.exclusive = f.p
	} else {
		l.shared[f.p]++
	}
	return true
}

func (f *simFile) unlock() {
	if l := f.p.disk.locks[f.n.id]; l != nil {
		if l.exclusive == f.p {
			l.exclusive = nil
		}
		delete(l.shared, f.p)
	}
}

func (f *simFile) Unlock() error {
	f.p.disk.mu.Lock()
	defer f.p.disk.mu.Unlock()
	f.unlock()
	return nil
}
