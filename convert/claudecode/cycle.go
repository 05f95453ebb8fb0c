package claudecode

import (
	"maps"
	"slices"
)

// edges are the parents of records, as far as circles need them. The first record
// of a circle names a parent that comes behind it, so that nothing is kept of
// a transcript in which every parent comes first.
type edges struct{ list map[string]edge }

type edge struct {
	parent string
	at     place
}

// ahead says that a record names a parent that was not seen yet.
func (e *edges) ahead() {
	if e.list == nil {
		e.list = make(map[string]edge)
	}
}

// add notes a record's parent. The first record of an id counts.
func (e *edges) add(id, parent string, at place) {
	if id == parent {
		e.ahead()
	}
	if _, known := e.list[id]; e.list != nil && !known {
		e.list[id] = edge{parent, at}
	}
}

// cycles returns the place of the first record of each circle, in order.
func (e *edges) cycles() []place {
	var places []place
	walk := make(map[string]int) // by id: the number of the walk that came there
	for n, start := range slices.Sorted(maps.Keys(e.list)) {
		id := start
		for walk[id] == 0 {
			walk[id] = n + 1
			next, ok := e.list[id]
			if !ok {
				break
			}
			id = next.parent
		}
		if at, ok := e.list[id]; ok && walk[id] == n+1 {
			first := at.at
			for next := at.parent; next != id; next = e.list[next].parent {
				if p := e.list[next].at; p.compare(first) < 0 {
					first = p
				}
			}
			places = append(places, first)
		}
	}
	slices.SortFunc(places, place.compare)
	return places
}
