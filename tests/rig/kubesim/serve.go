// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"strings"
)

// options are how all clusters behave.
type options struct {
	watchList    string // "on", "off": refused as by a server without it, "etcd": as over an etcd without progress requests
	oldDiscovery bool   // no aggregated discovery
	version      string
}

// server answers the requests to one cluster.
type server struct {
	*cluster
	opt *options
}

// request is what a path means.
type request struct {
	verb            string // list, watch, get; discovery, version, other
	kind            *kind
	namespace, name string
}

// parse takes a path apart: /api/v1/pods, /apis/apps/v1/namespaces/NS/deployments/NAME, ...
func parse(r *http.Request) request {
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group, version string
	switch {
	case part[0] == "version":
		return request{verb: "version"}
	case part[0] == "api" && len(part) <= 2, part[0] == "apis" && len(part) <= 3:
		return request{verb: "discovery"}
	case part[0] == "api":
		version, part = part[1], part[2:]
	case part[0] == "apis":
		group, version, part = part[1], part[2], part[3:]
	default:
		return request{verb: "other"}
	}
	q := request{verb: "list"}
	if part[0] == "namespaces" && len(part) > 2 {
		q.namespace, part = part[1], part[2:]
	}
	for _, k := range kinds {
		if k.resource == part[0] && k.group == group && k.version == version && (k.namespaced || q.namespace == "") {
			q.kind = k
		}
	}
	if q.kind == nil || len(part) > 2 {
		return request{verb: "other"}
	}
	if len(part) == 2 {
		q.name, q.verb = part[1], "get"
	} else if v := r.URL.Query().Get("watch"); v == "1" || v == "true" {
		q.verb = "watch"
	}
	return q
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parse(r)
	if f := s.faults.match(s.id, q, r.URL.Path); f != nil {
		var done bool
		if w, done = f.apply(w, r, q); done {
			return
		}
		defer f.end(w)
	}
	if r.Header.Get("Authorization") != "Bearer "+s.token && needsToken(r.URL.Path) {
		fail(w, 401, "Unauthorized")
		return
	}
	if r.Method != http.MethodGet {
		fail(w, 405, "the server does not allow this method on the requested resource")
		return
	}
	switch q.verb {
	case "version":
		s.counts.Other.Add(1)
		reply(w, s.opt.versionJSON())
	case "discovery":
		s.counts.Other.Add(1)
		s.discover(w, r)
	case "list":
		s.counts.Lists.Add(1)
		s.list(w, r, q)
	case "watch":
		s.counts.Watches.Add(1)
		s.watch(w, r, q)
	case "get":
		s.counts.Gets.Add(1)
		s.get(w, r, q)
	default:
		s.counts.Other.Add(1)
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/livez" {
			fmt.Fprint(w, "ok")
			return
		}
		if part := strings.Split(r.URL.Path, "/"); part[1] != "api" && (part[1] != "apis" || !hasGroup(part[2])) {
			http.NotFound(w, r) // nobody serves this group: plain text
			return
		}
		unknown(w)
	}
}

// unknown is the answer for a resource that the group does not have.
func unknown(w http.ResponseWriter) {
	st := newStatus(404, "the server could not find the requested resource")
	st.Details = &statusDetails{}
	st.write(w)
}

// kube-apiserver lets everyone read these.
func needsToken(path string) bool {
	switch path {
	case "/version", "/version/", "/healthz", "/readyz", "/livez":
		return false
	}
	return true
}

func reply(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n')) //nolint:errcheck // the client is gone
}

// wants says whether the Accept header asks for this form ("as=PartialObjectMetadataList").
func wants(r *http.Request, form string) bool {
	return strings.Contains(strings.Join(r.Header.Values("Accept"), ","), form)
}

func (s *server) get(w http.ResponseWriter, r *http.Request, q request) {
	k := q.kind
	number := k.find(q.namespace, q.name)
	var st state
	if number >= 0 {
		s.mu.Lock()
		st = s.objects[number]
		s.mu.Unlock()
	}
	if !st.exists {
		notFound(w, k, q.name)
		return
	}
	f := formWhole
	if wants(r, "as=PartialObjectMetadata") {
		f = formMetadata
	}
	reply(w, k.render(nil, f, s.id, number, &st))
}
