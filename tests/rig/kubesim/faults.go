// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fault is something that goes wrong with the requests it matches, as many of them as Left says.
type fault struct {
	ID       int    `json:"id"`
	Cluster  int    `json:"cluster"`  // -1: every one
	Verb     string `json:"verb"`     // list, watch, get, discovery, version, other, connect; "": all but connect
	Resource string `json:"resource"` // plural; "": every one
	Path     string `json:"path"`     // prefix of the path; "": every one
	Type     string `json:"type"`     // see faultTypes and connectFaults
	Arg      int64  `json:"arg"`      // of the type
	Skip     int    `json:"skip"`     // so many matching requests pass first
	Left     int    `json:"left"`     // -1: for ever
	Hits     int    `json:"hits"`

	ended chan struct{} // closed when the fault is removed
}

// The types of faults of requests; a number from 400 on is that HTTP status (arg: Retry-After, seconds).
var faultTypes = map[string]string{
	"hang":     "no answer until the client goes or the fault is removed",
	"truncate": "the body ends after arg bytes, and the response as if it were whole",
	"abort":    "the stream is reset after arg bytes of the body",
	"close":    "the TCP connection is closed after arg more bytes",
	"slow":     "the body comes arg bytes every 100 ms",
	"huge":     "a list or watch event with one object of arg bytes (0: 1 GB)",
	"wrong":    "JSON of wrong types; arg says which (-1: the next one each time)",
	"garbage":  "arg random bytes (0: 4096)",
	"expired":  "a watch is answered 200 and the event ERROR 410",
}

type faults struct {
	mu   sync.Mutex
	last int
	all  []*fault
}

// parseFault makes a fault from the query of a control request.
func parseFault(v url.Values) (*fault, error) {
	f := &fault{Cluster: -1, Verb: v.Get("verb"), Resource: v.Get("resource"), Path: v.Get("path"),
		Type: v.Get("type"), Left: -1, ended: make(chan struct{})}
	number := func(name string, to *int) error {
		t := v.Get(name)
		if t == "" || name == "cluster" && t == "all" {
			return nil
		}
		n, err := strconv.Atoi(t)
		*to = n
		return err
	}
	arg := 0
	for name, to := range map[string]*int{"cluster": &f.Cluster, "count": &f.Left, "skip": &f.Skip, "arg": &arg} {
		if err := number(name, to); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	f.Arg = int64(arg)
	_, known := faultTypes[f.Type]
	if f.Verb == "connect" {
		_, known = connectFaults[f.Type]
	} else if code, err := strconv.Atoi(f.Type); err == nil && code >= 400 && code < 600 {
		known = true
	}
	if !known {
		return nil, fmt.Errorf("type %q is not known for verb %q", f.Type, f.Verb)
	}
	return f, nil
}

func (fs *faults) add(f *fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.last++
	f.ID = fs.last
	fs.all = append(fs.all, f)
}

// remove removes one fault, or all (0).
func (fs *faults) remove(id int) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var left []*fault
	for _, f := range fs.all {
		if id == 0 || f.ID == id {
			close(f.ended)
		} else {
			left = append(left, f)
		}
	}
	fs.all = left
}

func (fs *faults) list() []fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	all := []fault{}
	for _, f := range fs.all {
		all = append(all, *f)
	}
	return all
}

// match returns the fault that this request meets, counted; nil if none. The caller gets a copy.
func (fs *faults) match(cluster int, q request, path string) *fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.all {
		if f.Cluster >= 0 && f.Cluster != cluster || f.Left == 0 ||
			(f.Verb == "connect") != (q.verb == "connect") || f.Verb != "" && f.Verb != q.verb ||
			f.Resource != "" && (q.kind == nil || q.kind.resource != f.Resource) ||
			!strings.HasPrefix(path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Left > 0 {
			f.Left--
		}
		f.Hits++
		copied := *f
		return &copied
	}
	return nil
}

// apply answers the request (true), or returns the writer through which the answer is to go.
func (f *fault) apply(w http.ResponseWriter, r *http.Request, q request) (http.ResponseWriter, bool) {
	switch f.Type {
	case "hang":
		select {
		case <-r.Context().Done():
		case <-f.ended:
		}
		return w, true
	case "truncate", "abort":
		return &limited{ResponseWriter: w, left: f.Arg}, false
	case "close":
		connOf(r).closeAfter(f.Arg)
		return w, false
	case "slow":
		return &slow{ResponseWriter: w, chunk: int(f.Arg)}, false
	case "huge":
		huge(w, q, f.Arg)
		return w, true
	case "wrong":
		f.wrong(w, q)
		return w, true
	case "garbage":
		garbage(w, f.Arg)
		return w, true
	case "expired":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"type":"ERROR","object":%s}`+"\n", tooOld(1, 2).json())
		return w, true
	}
	code, _ := strconv.Atoi(f.Type) // parseFault has seen that it is one
	st := newStatus(code, "made up by the simulator")
	if f.Arg > 0 {
		st.Details = &statusDetails{RetryAfterSeconds: int(f.Arg)}
	}
	st.write(w)
	return w, true
}

// end is called when the answer has been written through apply's writer.
func (f *fault) end(w http.ResponseWriter) {
	if l, ok := w.(*limited); ok && f.Type == "abort" {
		l.Flush()
		panic(http.ErrAbortHandler)
	}
}

var errLimit = errors.New("as much as the fault lets through")

// limited passes the first bytes of a body on. After them a watch ends, since its writes fail.
type limited struct {
	http.ResponseWriter
	left int64
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLimit
	}
	if int64(len(b)) > l.left {
		b = b[:l.left]
	}
	l.left -= int64(len(b))
	n, err := l.ResponseWriter.Write(b)
	if err == nil && l.left == 0 {
		err = errLimit
	}
	return n, err
}

func (l *limited) Flush() { l.ResponseWriter.(http.Flusher).Flush() }

type slow struct {
	http.ResponseWriter
	chunk int
}

func (s *slow) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n := s.chunk
		if n <= 0 || n > len(b) {
			n = len(b)
		}
		m, err := s.ResponseWriter.Write(b[:n])
		written += m
		if err != nil {
			return written, err
		}
		s.Flush()
		b = b[n:]
		time.Sleep(100 * time.Millisecond)
	}
	return written, nil
}

func (s *slow) Flush() { s.ResponseWriter.(http.Flusher).Flush() }

func garbage(w http.ResponseWriter, n int64) {
	if n <= 0 {
		n = 4096
	}
	w.Header().Set("Content-Type", "application/json")
	io.CopyN(w, rand.Reader, n) //nolint:errcheck // the client is gone
}

// huge writes one object of size bytes: an annotation without end.
func huge(w io.Writer, q request, size int64) {
	if size <= 0 {
		size = 1 << 30
	}
	if rw, ok := w.(http.ResponseWriter); ok {
		rw.Header().Set("Content-Type", "application/json")
	}
	name, api := "Pod", "v1"
	if q.kind != nil {
		name, api = q.kind.name, q.kind.apiVersion()
	}
	head := `{"kind":"` + name + `List","apiVersion":"` + api + `","metadata":{"resourceVersion":"1000"},"items":[`
	tail := "]}\n"
	if q.verb == "watch" {
		head, tail = `{"type":"ADDED","object":`, "}\n"
	} else if q.verb != "list" {
		head, tail = "", "\n"
	}
	head += `{"kind":"` + name + `","apiVersion":"` + api + `","metadata":{"name":"huge","namespace":"team-01","uid":"u","resourceVersion":"999","annotations":{"x":"`
	if _, err := io.WriteString(w, head); err != nil {
		return
	}
	chunk := []byte(strings.Repeat("x", 1<<16))
	for left := size; left > 0; left -= int64(len(chunk)) {
		if left < int64(len(chunk)) {
			chunk = chunk[:left]
		}
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	io.WriteString(w, `"}}}`+tail) //nolint:errcheck // the client is gone
}

const goodMeta = `"metadata":{"resourceVersion":"1000"}`

// What is JSON, but not what was asked for.
var wrongLists = []string{
	`[]`, `"list"`, `null`, `7`, `{}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":{}}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":[1,"2",null]}`,
	`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":7},"items":[]}`,
	`{"kind":"PodList","apiVersion":"v1","metadata":[],"items":[]}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":[{"metadata":"name"}]}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":[{"metadata":{"name":5,"uid":[],"resourceVersion":{}}}]}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":[{"metadata":{"uid":"u","resourceVersion":"1"}}]}`,
	`{"kind":"Status","apiVersion":"v1","status":"Failure","code":"410"}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`,
	`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"99999999999999999999999999"},"items":[]}`,
	`{"kind":"PodList","apiVersion":"v1",` + goodMeta + `,"items":[{"metadata":{"name":"` + strings.Repeat("n", 100000) + `"}}]}`,
}

var wrongEvents = []string{
	`[]`, `7`, `{}`, `{"type":1,"object":{}}`, `{"type":"ADDED"}`, `{"type":"ADDED","object":5}`,
	`{"type":"NONSENSE","object":{"metadata":{"name":"x"}}}`,
	`{"type":"MODIFIED","object":{"metadata":{"name":{},"resourceVersion":"1001"}}}`,
	`{"type":"DELETED","object":{"metadata":{"name":"","namespace":7}}}`,
	`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":17}}}`,
	`{"type":"ERROR","object":"no status"}`, `{"type":"ERROR","object":{"code":"410"}}`,
	`{"type":"ADDED","object":` + strings.Repeat(`{"a":`, 50000) + `1` + strings.Repeat("}", 50000) + `}`,
}

func (f *fault) wrong(w http.ResponseWriter, q request) {
	all := wrongLists
	if q.verb == "watch" {
		all = wrongEvents
	}
	i := int(f.Arg)
	if i < 0 {
		i = f.Hits - 1
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, all[i%len(all)]+"\n") //nolint:errcheck // the client is gone
}

// breakOff does to an open watch what POST /break asked for; true if the watch is over.
func (e *events) breakOff(how string) bool {
	switch how {
	case "abort":
		panic(http.ErrAbortHandler)
	case "410":
		e.failed(tooOld(e.position, e.position+1))
	case "500":
		e.failed(newStatus(500, "made up by the simulator"))
	case "truncate":
		e.buf = append(e.buf, `{"type":"MODIFIED","object":{"kind":"`...)
		e.flush()
	case "garbage":
		garbage(e.out, 0)
	case "huge":
		huge(e.out, e.q, 0)
	}
	return true
}

var breaks = []string{"close", "abort", "410", "500", "truncate", "garbage", "huge"}
