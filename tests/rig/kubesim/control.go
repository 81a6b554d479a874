// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// control is the simulator's own service, HTTP on the loopback address. Every request takes cluster=N or
// cluster=all (the default).
type control struct {
	clusters []*cluster
	faults   *faults
}

// each calls f, with the cluster locked, for the clusters that a request names.
func (ctl *control) each(r *http.Request, f func(*cluster) error) error {
	which := r.FormValue("cluster")
	for _, c := range ctl.clusters {
		if which != "" && which != "all" && which != strconv.Itoa(c.id) {
			continue
		}
		c.mu.Lock()
		err := f(c)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

type handler = func(r *http.Request) (any, error)

// routes is every request that the control port takes; POST / lists them.
func (ctl *control) routes() map[string]handler {
	set := func(f func(*cluster, *http.Request) error) handler {
		return func(r *http.Request) (any, error) {
			return "ok", ctl.each(r, func(c *cluster) error { return f(c, r) })
		}
	}
	return map[string]handler{
		"/pause":  set(func(c *cluster, _ *http.Request) error { c.paused = true; return nil }),
		"/resume": set(func(c *cluster, _ *http.Request) error { c.paused = false; return nil }),
		"/rate": set(func(c *cluster, r *http.Request) (err error) { // rate=N changes a second, churn=SHARE
			if t := r.FormValue("rate"); t != "" {
				c.rate, err = strconv.ParseFloat(t, 64)
			}
			if t := r.FormValue("churn"); t != "" && err == nil {
				c.churn, err = strconv.ParseFloat(t, 64)
			}
			return err
		}),
		"/compact": set(func(c *cluster, _ *http.Request) error { c.compact(); return nil }),
		"/rewind":  ctl.rewind,
		"/change":  ctl.change,
		"/break":   ctl.breakWatches,
		"/kick":    ctl.kick,
		"/down":    func(r *http.Request) (any, error) { return ctl.reachable(r, false) },
		"/up":      func(r *http.Request) (any, error) { return ctl.reachable(r, true) },
		"/fault": func(r *http.Request) (any, error) { // cluster, verb, resource, path, type, arg, count, skip
			f, err := parseFault(r.Form)
			if err == nil {
				ctl.faults.add(f)
			}
			return f, err
		},
		"/unfault": func(r *http.Request) (any, error) { // id=N, or all
			id, _ := strconv.Atoi(r.FormValue("id"))
			ctl.faults.remove(id)
			return "ok", nil
		},
		"/faults": func(*http.Request) (any, error) { return ctl.faults.list(), nil },
		"/state":  ctl.state,
		"/stats":  ctl.stats,
		"/fault-types": func(*http.Request) (any, error) {
			return map[string]any{"request": faultTypes, "connect": connectFaults, "break": breaks}, nil
		},
	}
}

func (ctl *control) handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range ctl.routes() {
		h := h
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			err := r.ParseForm()
			var answer any
			if err == nil {
				answer, err = h(r)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(answer) //nolint:errcheck // the client is gone
		})
	}
	return mux
}

// rewind: by=N versions back, as a restore of etcd; connections are closed, as by the server's restart.
func (ctl *control) rewind(r *http.Request) (any, error) {
	by, err := strconv.ParseInt(r.FormValue("by"), 10, 64)
	if err != nil {
		return nil, err
	}
	err = ctl.each(r, func(c *cluster) error {
		if !c.rewind(c.version - by) {
			return fmt.Errorf("cluster %d: its history does not go back %d versions", c.id, by)
		}
		return nil
	})
	if err == nil {
		_, err = ctl.kick(r)
	}
	return "ok", err
}

// change: count=N random changes; or op=create|modify|delete of resource=, namespace=, name=. Answers the
// new versions by cluster.
func (ctl *control) change(r *http.Request) (any, error) {
	versions := map[int]int64{}
	if r.FormValue("resource") == "" {
		n, err := strconv.Atoi(r.FormValue("count"))
		if err != nil {
			return nil, fmt.Errorf("count: %w", err)
		}
		return versions, ctl.each(r, func(c *cluster) error {
			for i := 0; i < n; i++ {
				versions[c.id] = c.changeAny()
			}
			return nil
		})
	}
	k := kindByResource(r.FormValue("resource"))
	if k == nil {
		return nil, fmt.Errorf("no such resource")
	}
	number := k.find(r.FormValue("namespace"), r.FormValue("name"))
	if number < 0 {
		return nil, fmt.Errorf("no such object")
	}
	o, ok := map[string]op{"create": opCreate, "modify": opModify, "delete": opDelete, "": opModify}[r.FormValue("op")]
	if !ok {
		return nil, fmt.Errorf("op is create, modify or delete")
	}
	return versions, ctl.each(r, func(c *cluster) error {
		versions[c.id] = c.change(number, o)
		return nil
	})
}

// breakWatches: how=... to every open watch (of resource=). Answers how many.
func (ctl *control) breakWatches(r *http.Request) (any, error) {
	how, n := r.FormValue("how"), 0
	known := false
	for _, b := range breaks {
		known = known || b == how
	}
	if !known {
		return nil, fmt.Errorf("how is one of %s", strings.Join(breaks, ", "))
	}
	err := ctl.each(r, func(c *cluster) error {
		for w := range c.watches {
			if t := r.FormValue("resource"); t != "" && w.kind.resource != t {
				continue
			}
			select {
			case w.broken <- how:
				n++
			default:
			}
		}
		return nil
	})
	return n, err
}

// named is the clusters that a request names.
func (ctl *control) named(r *http.Request) []*cluster {
	var all []*cluster
	ctl.each(r, func(c *cluster) error { all = append(all, c); return nil }) //nolint:errcheck // it has none
	return all
}

func (ctl *control) kick(r *http.Request) (any, error) {
	for _, c := range ctl.named(r) {
		c.disconnect()
	}
	return "ok", nil
}

func (ctl *control) reachable(r *http.Request, up bool) (any, error) {
	err := ctl.each(r, func(c *cluster) error { c.down = !up; return nil })
	if err != nil || up {
		return "ok", err
	}
	return ctl.kick(r)
}

// entry is one object of /state.
type entry struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	UID       string `json:"uid"`
}

// state answers what exists: {"N": {"version": "...", "objects": [...]}}.
func (ctl *control) state(r *http.Request) (any, error) {
	all := map[string]any{}
	err := ctl.each(r, func(c *cluster) error {
		objects := make([]entry, 0, total)
		for number, s := range c.objects {
			if s.exists {
				k := kindOf[number]
				t := k.at(number)
				objects = append(objects, entry{k.name, t.namespace, t.name, strconv.FormatInt(s.version, 10),
					string(appendUID(nil, c.id, number, s.life))})
			}
		}
		all[strconv.Itoa(c.id)] = map[string]any{"version": strconv.FormatInt(c.version, 10), "objects": objects}
		return nil
	})
	return all, err
}

// stats answers the counts, summed over the clusters that the request names.
func (ctl *control) stats(r *http.Request) (any, error) {
	sum := map[string]int64{}
	err := ctl.each(r, func(c *cluster) error {
		n := &c.counts
		for name, v := range map[string]int64{
			"connections": n.Connections.Load(), "lists": n.Lists.Load(), "watches": n.Watches.Load(),
			"gets": n.Gets.Load(), "other": n.Other.Load(), "list_objects": n.ListObjects.Load(),
			"events": n.Events.Load(), "bookmarks": n.Bookmarks.Load(), "changes": n.Changes.Load(),
			"open_connections": int64(len(c.conns)), "open_watches": int64(len(c.watches)),
		} {
			sum[name] += v
		}
		return nil
	})
	sum["clusters"] = int64(len(ctl.named(r)))
	sum["now_us"] = time.Now().UnixMicro()
	return sum, err
}
