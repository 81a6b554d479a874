// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand"
	"net/http"
	"strconv"
	"time"
)

var bookmarkEvery = 30 * time.Second

// watch is one open watch.
type watch struct {
	kind   *kind
	woken  chan struct{}
	broken chan string // how to end: see break in control.go
}

func (w *watch) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// events writes the events of one watch.
type events struct {
	s         *server
	q         request
	selector  selector
	form      form
	bookmarks bool
	position  int64 // all up to this version was sent
	out       http.ResponseWriter
	buf       []byte
}

func (s *server) watch(w http.ResponseWriter, r *http.Request, q request) {
	v := r.URL.Query()
	e := &events{s: s, q: q, form: formWhole, out: w, bookmarks: v.Get("allowWatchBookmarks") == "true" || v.Get("allowWatchBookmarks") == "1"}
	if wants(r, "as=PartialObjectMetadata") {
		e.form = formMetadata
	}
	var st *status
	if e.selector, st = parseSelector(v.Get("fieldSelector"), q.kind); st != nil {
		st.write(w)
		return
	}
	version, err := int64(0), error(nil)
	if t := v.Get("resourceVersion"); t != "" {
		if version, err = strconv.ParseInt(t, 10, 64); err != nil {
			badVersion(t, err).write(w)
			return
		}
	}
	initial := v.Get("sendInitialEvents")
	if initial != "" {
		if st := s.opt.refuseWatchList(v.Get("resourceVersionMatch")); st != nil {
			st.write(w)
			return
		}
	}
	seconds, err := strconv.Atoi(v.Get("timeoutSeconds"))
	if err != nil || seconds <= 0 {
		seconds = 1800 + rand.Intn(1800)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	if initial == "true" && s.opt.watchList == "etcd" {
		e.failed(newStatus(500, "etcd cluster is running a version that lacks the required storage feature RequestWatchProgress"))
		return
	}
	all := initial == "true" || initial == "" && version == 0
	e.run(r, version, all, initial == "true", time.Duration(seconds)*time.Second)
}

func (o *options) refuseWatchList(match string) *status {
	message := "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
	field := "resourceVersionMatch"
	if o.watchList == "off" {
		message, field = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled", "sendInitialEvents"
	} else if match == "NotOlderThan" {
		return nil
	}
	st := newStatus(422, "ListOptions.meta.k8s.io \"\" is invalid: "+field+": Forbidden: "+message)
	st.Details = &statusDetails{Group: "meta.k8s.io", Kind: "ListOptions",
		Causes: []statusCause{{Reason: "FieldValueForbidden", Message: "Forbidden: " + message, Field: field}}}
	return st
}

// run sends the content first if all is set, then the changes until the time is up, the client goes, or
// something breaks.
func (e *events) run(r *http.Request, version int64, all, marked bool, timeout time.Duration) {
	c := e.s.cluster
	me := &watch{kind: e.q.kind, woken: make(chan struct{}, 1), broken: make(chan string, 1)}
	c.mu.Lock()
	c.watches[me] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.watches, me)
		c.mu.Unlock()
	}()
	e.position = version
	if all && !e.initial(marked) {
		return
	}
	end := time.NewTimer(timeout)
	defer end.Stop()
	mark := time.NewTicker(bookmarkEvery)
	defer mark.Stop()
	for {
		if !e.changes() {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			e.bookmark(false)
			return
		case <-mark.C:
			if !e.bookmark(false) {
				return
			}
		case how := <-me.broken:
			if e.breakOff(how) {
				return
			}
		case <-me.woken:
		}
	}
}

// flush writes what was rendered; false if the client is gone.
func (e *events) flush() bool {
	if len(e.buf) == 0 {
		return true
	}
	_, err := e.out.Write(e.buf)
	e.out.(http.Flusher).Flush()
	if cap(e.buf) > 1<<16 {
		e.buf = nil
	}
	e.buf = e.buf[:0]
	return err == nil
}

func (e *events) event(kind string, f form, number int, s *state) {
	e.buf = append(append(e.buf, `{"type":"`...), kind...)
	e.buf = append(e.buf, `","object":`...)
	e.buf = e.q.kind.render(e.buf, f, e.s.id, number, s)
	e.buf = append(e.buf, "}\n"...)
	e.s.counts.Events.Add(1)
}

// initial sends every object as ADDED, and a bookmark that says so if it is asked for.
func (e *events) initial(marked bool) bool {
	k := e.q.kind
	states, version, _ := e.s.snapshot(k, 0)
	for i := range states {
		if states[i].exists && e.q.takes(&k.objects[i], e.selector) {
			e.event("ADDED", e.form, k.first+i, &states[i])
			if len(e.buf) > 1<<15 && !e.flush() {
				return false
			}
		}
	}
	e.position = version
	return !marked && e.flush() || marked && e.bookmark(true)
}

// changes sends what is behind the position.
func (e *events) changes() bool {
	c := e.s.cluster
	c.mu.Lock()
	var few [16]change
	todo, position, ok := c.since(few[:0], e.q.kind, e.position)
	oldest := c.oldest
	c.mu.Unlock()
	if !ok {
		e.failed(tooOld(e.position, oldest-1))
		return false
	}
	for i := range todo {
		h := &todo[i]
		if e.q.takes(e.q.kind.at(int(h.number)), e.selector) {
			e.event(eventTypes[h.op], e.form, int(h.number), &h.after)
		}
	}
	e.position = position
	return e.flush()
}

func (e *events) bookmark(initialEnd bool) bool {
	if !e.bookmarks {
		return e.flush()
	}
	k := e.q.kind
	meta := object{"resourceVersion": strconv.FormatInt(e.position, 10)}
	if initialEnd {
		meta["annotations"] = object{"k8s.io/initial-events-end": "true"}
	}
	o := object{"kind": k.name, "apiVersion": k.apiVersion(), "metadata": meta, "spec": object{}, "status": object{}}
	if e.form == formMetadata {
		o = object{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
	}
	e.buf = append(append(append(e.buf, `{"type":"BOOKMARK","object":`...), must(o)...), "}\n"...)
	e.s.counts.Bookmarks.Add(1)
	return e.flush()
}

// failed sends an ERROR event, which ends a watch.
func (e *events) failed(st *status) {
	e.buf = append(append(append(e.buf, `{"type":"ERROR","object":`...), st.json()...), "}\n"...)
	e.flush()
}
