// SPDX-License-Identifier: Apache-2.0

package main

import (
	"container/heap"
	"time"
)

// schedule is the clusters by the time of their next change.
type schedule []*cluster

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(*cluster)) }
func (s *schedule) Pop() any {
	old := *s
	x := old[len(old)-1]
	*s = old[:len(old)-1]
	return x
}

// drive makes the changes of all clusters, evenly spread over time: one goroutine, so that a thousand
// clusters cost no thousand timers.
func drive(clusters []*cluster) {
	s := append(schedule(nil), clusters...)
	for i, c := range s {
		c.phase = float64(i) / float64(len(s))
	}
	heap.Init(&s)
	for {
		c := s[0]
		now := time.Now()
		if wait := c.due.Sub(now); wait > 0 {
			time.Sleep(wait)
			now = time.Now()
		}
		c.mu.Lock()
		c.next(now)
		c.mu.Unlock()
		heap.Fix(&s, 0)
	}
}

// next makes a change if one is due, and says when to come again. The caller holds mu.
func (c *cluster) next(now time.Time) {
	running := !c.paused && c.rate > 0
	period := time.Second
	if running {
		period = time.Duration(float64(time.Second) / c.rate)
	}
	switch {
	case !running:
		c.due = now.Add(50 * time.Millisecond)
	case !c.running: // the clusters' changes fall into each other's gaps
		c.due = now.Add(time.Duration(c.phase * float64(period)))
	default:
		c.changeAny()
		c.due = c.due.Add(period)
		if now.Sub(c.due) > time.Second { // the machine was too busy: no burst afterwards
			c.due = now
		}
	}
	c.running = running
}
