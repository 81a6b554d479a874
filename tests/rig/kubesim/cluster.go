// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

// firstVersion is the resourceVersion of a cluster before its first change.
const firstVersion = 1000

type op uint8

const (
	opModify op = iota
	opDelete
	opCreate
)

var eventTypes = [...]string{opModify: "MODIFIED", opDelete: "DELETED", opCreate: "ADDED"}

// change is an entry of the history; before and after are the object's states.
type change struct {
	number        int32
	op            op
	before, after state
}

// cluster is one simulated API server's content. Each change takes the next resourceVersion, so that the
// history is indexed by it: history[i] made version oldest+i.
type cluster struct {
	id     int
	token  string
	faults *faults

	mu      sync.Mutex
	version int64
	objects []state
	history []change
	oldest  int64
	watches map[*watch]struct{}
	conns   map[*conn]struct{}
	down    bool // refuses connections
	random  *rand.Rand
	rate    float64 // changes a second
	churn   float64 // share of them that deletes or creates
	paused  bool
	due     time.Time // of the next change: with phase and running, for drive alone
	phase   float64   // which part of a period it starts after
	running bool

	counts counts
}

// counts are what clients did, by the server's own count.
type counts struct {
	Connections atomic.Int64
	Lists       atomic.Int64 // requests, each page
	Watches     atomic.Int64
	Gets        atomic.Int64
	Other       atomic.Int64
	ListObjects atomic.Int64
	Events      atomic.Int64
	Bookmarks   atomic.Int64
	Changes     atomic.Int64
}

var maxHistory = 1000

func newCluster(id int, f *faults) *cluster {
	c := &cluster{id: id, token: tokenOf(id), faults: f, version: firstVersion, oldest: firstVersion + 1,
		objects: make([]state, total), watches: map[*watch]struct{}{}, conns: map[*conn]struct{}{},
		random: rand.New(rand.NewSource(int64(id) + 1))}
	for i := range c.objects {
		c.objects[i] = state{version: int64(1 + i%firstVersion), exists: true}
	}
	return c
}

// change makes one change; the caller holds mu. An op that does not fit the object's state (a deletion of
// what is not there) becomes the one that does.
func (c *cluster) change(number int, o op) int64 {
	s := &c.objects[number]
	before := *s
	switch {
	case !s.exists:
		o = opCreate
	case o == opCreate:
		o = opModify
	}
	c.version++
	s.version, s.exists = c.version, o != opDelete
	// Two changes of one object in one microsecond still differ in more than their version: an agent that
	// sends contents would otherwise rightly send only the first.
	if now := time.Now().UnixMicro(); now > s.sent {
		s.sent = now
	} else {
		s.sent++
	}
	if o == opCreate {
		s.life++
	}
	c.history = append(c.history, change{number: int32(number), op: o, before: before, after: *s})
	if len(c.history) > maxHistory+maxHistory/4 { // moved seldom, not at each change
		n := copy(c.history, c.history[len(c.history)-maxHistory:])
		c.oldest += int64(len(c.history) - n)
		c.history = c.history[:n]
	}
	c.counts.Changes.Add(1)
	k := kindOf[number]
	for w := range c.watches {
		if w.kind == k {
			w.wake()
		}
	}
	return c.version
}

// changeAny makes a random change.
func (c *cluster) changeAny() int64 {
	number := c.random.Intn(total)
	o := opModify
	if c.churn > 0 && c.random.Float64() < c.churn && kindOf[number].namespaced {
		o = opDelete
	}
	return c.change(number, o)
}

// compact forgets the history: every version but the present one is too old from now on.
func (c *cluster) compact() {
	c.history = nil
	c.oldest = c.version + 1
}

// rewind brings back the content of an earlier version, as a restore of etcd does; false if it is not in
// the history.
func (c *cluster) rewind(version int64) bool {
	if version < c.oldest-1 || version > c.version {
		return false
	}
	for i := len(c.history) - 1; i >= int(version-c.oldest)+1; i-- {
		c.objects[c.history[i].number] = c.history[i].before
	}
	c.history = c.history[:version-c.oldest+1]
	c.version = version
	return true
}

// snapshot returns the states of a kind's objects as of version (0: now), and that version; false if the
// version is no longer in the history.
func (c *cluster) snapshot(k *kind, version int64) ([]state, int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	states := append([]state(nil), c.objects[k.first:k.first+k.n]...)
	if version == 0 || version == c.version {
		return states, c.version, true
	}
	if version < c.oldest-1 || version > c.version {
		return nil, c.version, false
	}
	for i := len(c.history) - 1; i >= int(version-c.oldest)+1; i-- {
		h := &c.history[i]
		if kindOf[h.number] == k {
			states[int(h.number)-k.first] = h.before
		}
	}
	return states, version, true
}

// since appends the changes of a kind after version; false if some of them are no longer in the history.
// A version of the future has none.
func (c *cluster) since(out []change, k *kind, version int64) ([]change, int64, bool) {
	if version >= c.version {
		return out, version, true
	}
	if version < c.oldest-1 {
		return out, version, false
	}
	for i := int(version - c.oldest + 1); i < len(c.history); i++ {
		if kindOf[c.history[i].number] == k {
			out = append(out, c.history[i])
		}
	}
	return out, c.version, true
}

// disconnect closes all connections.
func (c *cluster) disconnect() {
	c.mu.Lock()
	all := make([]*conn, 0, len(c.conns))
	for x := range c.conns {
		all = append(all, x)
	}
	c.mu.Unlock()
	for _, x := range all {
		x.Close()
	}
}
