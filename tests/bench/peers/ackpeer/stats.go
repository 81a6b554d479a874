// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"sort"
	"strconv"
	"sync"
	"time"
)

// stats counts what came, and how old it was: the simulator writes into each object when it changed.
type stats struct {
	mu                                          sync.Mutex
	messages, batches, deltas, objects, deletes int64
	bytes, objectBytes, opened, synced, streams int64
	lastOpen                                    time.Time
	ages                                        []int32 // microseconds
}

var sentMark = []byte(`"sim/sent-us":"`)

// age of an object since the simulator changed it; false for objects never changed.
func age(object []byte, now time.Time) (time.Duration, bool) {
	i := bytes.Index(object, sentMark)
	if i < 0 {
		return 0, false
	}
	object = object[i+len(sentMark):]
	j := bytes.IndexByte(object, '"')
	if j < 0 || j > 20 {
		return 0, false
	}
	us, err := strconv.ParseInt(string(object[:j]), 10, 64)
	if err != nil || us == 0 {
		return 0, false
	}
	return now.Sub(time.UnixMicro(us)), true
}

func (s *stats) object(object []byte, now time.Time) {
	s.objects++
	s.objectBytes += int64(len(object))
	if a, ok := age(object, now); ok {
		s.ages = append(s.ages, int32(a/time.Microsecond))
	}
}

// report is what GET /stats answers.
type report struct {
	Streams     int64 `json:"streams"`
	Opened      int64 `json:"opened"` // accounts, since the last reset
	LastOpenUs  int64 `json:"last_open_us"`
	Messages    int64 `json:"messages"`
	Batches     int64 `json:"batches"`
	Deltas      int64 `json:"deltas"`
	Objects     int64 `json:"objects"`
	Deletes     int64 `json:"deletes"`
	Synced      int64 `json:"scopes_in_step"`
	Bytes       int64 `json:"bytes"`
	ObjectBytes int64 `json:"object_bytes"`
	Ages        int   `json:"latencies"`
	P50Us       int32 `json:"p50_us"`
	P99Us       int32 `json:"p99_us"`
	MaxUs       int32 `json:"max_us"`
}

func (s *stats) report(reset bool) report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := report{
		Streams: s.streams, Opened: s.opened, Messages: s.messages, Batches: s.batches, Deltas: s.deltas,
		Objects: s.objects, Deletes: s.deletes, Synced: s.synced, Bytes: s.bytes, ObjectBytes: s.objectBytes,
		Ages: len(s.ages),
	}
	if !s.lastOpen.IsZero() {
		r.LastOpenUs = s.lastOpen.UnixMicro()
	}
	if len(s.ages) > 0 {
		a := append([]int32(nil), s.ages...)
		sort.Slice(a, func(i, j int) bool { return a[i] < a[j] })
		r.P50Us, r.P99Us, r.MaxUs = a[len(a)/2], a[len(a)*99/100], a[len(a)-1]
	}
	if reset {
		s.messages, s.batches, s.deltas, s.objects, s.deletes, s.synced = 0, 0, 0, 0, 0, 0
		s.bytes, s.objectBytes, s.opened, s.ages = 0, 0, 0, s.ages[:0]
	}
	return r
}
