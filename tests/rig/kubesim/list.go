// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// selector is a field selector on metadata.name and metadata.namespace.
type selector []struct {
	field, value string
	not          bool
}

// parseSelector understands "metadata.namespace!=a,metadata.name=b"; a Status where the API would refuse.
func parseSelector(text string, k *kind) (selector, *status) {
	var all selector
	for _, term := range strings.Split(text, ",") {
		if term == "" {
			continue
		}
		field, value, ok := strings.Cut(term, "=")
		if !ok {
			return nil, newStatus(400, "invalid selector: '"+term+"'; can't understand '"+term+"'")
		}
		not := strings.HasSuffix(field, "!")
		field, value = strings.TrimSuffix(field, "!"), strings.TrimPrefix(value, "=")
		if field != "metadata.name" && (field != "metadata.namespace" || !k.namespaced) {
			return nil, newStatus(400, "field label not supported: "+field)
		}
		all = append(all, struct {
			field, value string
			not          bool
		}{field, value, not})
	}
	return all, nil
}

// takes says whether an object is asked for by path and selector.
func (q *request) takes(t *template, s selector) bool {
	if q.namespace != "" && t.namespace != q.namespace {
		return false
	}
	for _, term := range s {
		have := t.name
		if term.field == "metadata.namespace" {
			have = t.namespace
		}
		if (have == term.value) == term.not {
			return false
		}
	}
	return true
}

// token is a continue token: the version that the whole list is of, and the key behind which it goes on.
type token struct {
	V     string `json:"v"`
	RV    int64  `json:"rv"`
	Start string `json:"start"` // "namespace/name\0"
}

func (t token) String() string { return base64.RawURLEncoding.EncodeToString(must(t)) }

func parseToken(text string) (token, bool) {
	var t token
	b, err := base64.RawURLEncoding.DecodeString(text)
	return t, err == nil && json.Unmarshal(b, &t) == nil && t.V == "meta.k8s.io/v1" && strings.Contains(t.Start, "/")
}

// page is what a list request asks for.
type page struct {
	request
	selector selector
	limit    int   // 0: all
	version  int64 // as of which; 0: now
	from     int   // number of the first object
	metadata bool
}

// parsePage reads the options of a list; a Status where they are refused.
func (s *server) parsePage(r *http.Request, q request) (*page, *status) {
	v := r.URL.Query()
	p := &page{request: q, from: q.kind.first, metadata: wants(r, "as=PartialObjectMetadataList")}
	var st *status
	if p.selector, st = parseSelector(v.Get("fieldSelector"), q.kind); st != nil {
		return nil, st
	}
	var err error
	if l := v.Get("limit"); l != "" {
		if p.limit, err = strconv.Atoi(l); err != nil {
			return nil, newStatus(400, err.Error())
		}
	}
	version, match := v.Get("resourceVersion"), v.Get("resourceVersionMatch")
	if c := v.Get("continue"); c != "" {
		t, ok := parseToken(c)
		if !ok {
			return nil, newStatus(400, "continue key is not valid")
		}
		ns, name, _ := strings.Cut(strings.TrimSuffix(t.Start, "\x00"), "/")
		p.version, p.from = t.RV, q.kind.after(ns, name)
		return p, nil
	}
	if version == "" {
		return p, nil
	}
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return nil, badVersion(version, err)
	}
	s.mu.Lock()
	now := s.version
	s.mu.Unlock()
	switch {
	case match == "Exact":
		p.version = n
	case n > now:
		return nil, tooLarge(n, now)
	case n == 0:
		p.limit = 0 // kube-apiserver answers this from its watch cache and ignores the limit
	}
	return p, nil
}

func (s *server) list(w http.ResponseWriter, r *http.Request, q request) {
	p, st := s.parsePage(r, q)
	if st != nil {
		st.write(w)
		return
	}
	k := q.kind
	states, version, ok := s.snapshot(k, p.version)
	if !ok {
		if p.version > version {
			tooLarge(p.version, version).write(w)
			return
		}
		s.expired(w, p, version)
		return
	}
	b, n := s.renderPage(p, states, version)
	s.counts.ListObjects.Add(int64(n))
	reply(w, b)
}

// expired refuses a version that is no longer known. A page gets a token to go on inconsistently.
func (s *server) expired(w http.ResponseWriter, p *page, now int64) {
	st := newStatus(410, "The resourceVersion for the provided list is too old.")
	if p.from != p.kind.first {
		st = newStatus(410, "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.")
		t := p.kind.at(p.from - 1)
		st.Metadata = statusMeta{Continue: token{"meta.k8s.io/v1", now, t.namespace + "/" + t.name + "\x00"}.String(), ResourceVersion: strconv.FormatInt(now, 10)}
	}
	st.write(w)
}

// renderPage writes the list from p.from on, up to the limit, and how many objects it has.
func (s *server) renderPage(p *page, states []state, version int64) ([]byte, int) {
	k, f, name, api := p.kind, formItem, p.kind.name+"List", p.kind.apiVersion()
	if p.metadata {
		f, name, api = formMetadata, "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	n, left, last := 0, 0, -1
	var items []byte
	for number := p.from; number < k.first+k.n; number++ {
		st := &states[number-k.first]
		if !st.exists || !p.takes(k.at(number), p.selector) {
			continue
		}
		if p.limit > 0 && n == p.limit {
			left++
			continue
		}
		if n > 0 {
			items = append(items, ',')
		}
		items = k.render(items, f, s.id, number, st)
		n, last = n+1, number
	}
	meta := object{"resourceVersion": strconv.FormatInt(version, 10)}
	if left > 0 {
		t := k.at(last)
		meta["continue"] = token{"meta.k8s.io/v1", version, t.namespace + "/" + t.name + "\x00"}.String()
		if len(p.selector) == 0 {
			meta["remainingItemCount"] = left
		}
	}
	b := make([]byte, 0, len(items)+512)
	b = append(b, `{"kind":"`+name+`","apiVersion":"`+api+`","metadata":`...)
	b = append(append(b, must(meta)...), `,"items":[`...)
	return append(append(b, items...), "]}"...), n
}
