// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	build()
	m.Run()
}

// rig is one cluster behind a real TLS listener on a port that the system chose.
type rig struct {
	*testing.T
	c      *cluster
	server *httptest.Server
	ctl    *httptest.Server
}

func newRig(t *testing.T, opt options) *rig {
	t.Helper()
	if opt.watchList == "" {
		opt.watchList = "on"
	}
	opt.version = "v1.36.3"
	fs := &faults{}
	c := newCluster(0, fs)
	s := httptest.NewUnstartedServer(&server{cluster: c, opt: &opt})
	s.EnableHTTP2 = true
	s.Config.ConnContext = withConn
	s.StartTLS()
	ctl := httptest.NewServer((&control{clusters: []*cluster{c}, faults: fs}).handler())
	t.Cleanup(func() { s.CloseClientConnections(); ctl.Close() })
	return &rig{t, c, s, ctl}
}

func (r *rig) request(path string, accept string) *http.Response {
	r.Helper()
	q, _ := http.NewRequest("GET", r.server.URL+path, nil)
	q.Header.Set("Authorization", "Bearer "+r.c.token)
	if accept != "" {
		q.Header.Set("Accept", accept)
	}
	resp, err := r.server.Client().Do(q)
	if err != nil {
		r.Fatal(path, err)
	}
	r.Cleanup(func() { resp.Body.Close() })
	return resp
}

// get reads a whole answer and its status code.
func (r *rig) get(path, accept string) (map[string]any, int) {
	r.Helper()
	resp := r.request(path, accept)
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		r.Fatal(path, err)
	}
	return v, resp.StatusCode
}

// post sends a control request.
func (r *rig) post(path string, form string) string {
	r.Helper()
	v, err := url.ParseQuery(form)
	if err != nil {
		r.Fatal(err)
	}
	resp, err := http.PostForm(r.ctl.URL+path, v)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		r.Fatalf("%s %s: %s", path, form, b)
	}
	return string(b)
}

// watch reads events until the stream ends or n came.
func (r *rig) watch(path string, n int) []map[string]any {
	r.Helper()
	resp := r.request(path, "")
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	var all []map[string]any
	for len(all) < n && in.Scan() {
		var e map[string]any
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			r.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// at follows names through maps and, by number, lists.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

func items(v map[string]any) []any { return v["items"].([]any) }

func TestSizes(t *testing.T) {
	sum := 0
	for number := 0; number < total; number++ {
		sum += len(kindOf[number].render(nil, formWhole, 1, number, &state{version: 123456, sent: 1795352304350245}))
	}
	if total != 1000 || sum/total < 3400 || sum/total > 3800 {
		t.Errorf("%d objects of %d bytes on average, want 1000 of 3.6 KB", total, sum/total)
	}
}

func TestFindIsInListOrder(t *testing.T) {
	for number := 0; number < total; number++ {
		o := kindOf[number].at(number)
		if got := kindOf[number].find(o.namespace, o.name); got != number {
			t.Fatalf("%s/%s found as %d, not %d", o.namespace, o.name, got, number)
		}
	}
	if kinds[2].find("team-01", "nobody") != -1 {
		t.Error("found what is not there")
	}
}

// Pages are all of the version of the first one, whatever happens between them.
func TestPagesAreConsistent(t *testing.T) {
	r := newRig(t, options{})
	whole, _ := r.get("/api/v1/pods", "")
	want := map[string]string{}
	for _, o := range items(whole) {
		want[at(o, "metadata", "name").(string)] = at(o, "metadata", "resourceVersion").(string)
	}
	got := map[string]string{}
	next := ""
	for pages := 0; ; pages++ {
		v, code := r.get("/api/v1/pods?limit=37&continue="+next, "")
		if code != 200 || at(v, "metadata", "resourceVersion") != at(whole, "metadata", "resourceVersion") {
			t.Fatal(code, v["metadata"])
		}
		for _, o := range items(v) {
			got[at(o, "metadata", "name").(string)] = at(o, "metadata", "resourceVersion").(string)
		}
		more, ok := at(v, "metadata", "continue").(string)
		if !ok {
			if pages < 10 {
				t.Errorf("only %d pages", pages)
			}
			break
		}
		if left := at(v, "metadata", "remainingItemCount").(float64); int(left) != 400-len(got) {
			t.Errorf("remainingItemCount %v with %d read", left, len(got))
		}
		next = more
		r.post("/rate", "churn=0.5")
		r.post("/change", "count=20")
	}
	if len(got) != len(want) {
		t.Fatalf("%d objects, want %d", len(got), len(want))
	}
	for name, version := range want {
		if got[name] != version {
			t.Errorf("%s has version %s, want %s", name, got[name], version)
		}
	}
}

func TestEachChangeChangesTheContent(t *testing.T) {
	c := newCluster(0, &faults{})
	for i, last := 0, int64(0); i < 1000; i++ {
		c.change(7, opModify)
		if sent := c.objects[7].sent; sent <= last {
			t.Fatalf("change %d: sent %d after %d", i, sent, last)
		} else {
			last = sent
		}
	}
}

func TestExpired(t *testing.T) {
	r := newRig(t, options{})
	v, _ := r.get("/api/v1/pods?limit=10", "")
	next := at(v, "metadata", "continue").(string)
	r.post("/change", "count=3")
	r.post("/compact", "")
	v, code := r.get("/api/v1/pods?limit=10&continue="+next, "")
	if code != 410 || v["reason"] != "Expired" || at(v, "metadata", "continue") == nil {
		t.Error(code, v)
	}
	e := r.watch("/api/v1/pods?watch=1&resourceVersion=1001", 9)
	if len(e) != 1 || e[0]["type"] != "ERROR" || at(e[0], "object", "code") != 410.0 {
		t.Error(e)
	}
}

func TestWatchResumes(t *testing.T) {
	r := newRig(t, options{})
	r.post("/change", "resource=pods&namespace=team-01&name=pod-00001")
	r.post("/change", "resource=services&namespace=team-01&name=service-00001")
	r.post("/change", "resource=pods&namespace=team-01&name=pod-00001&op=delete")
	r.post("/change", "resource=pods&namespace=team-01&name=pod-00001&op=create")
	e := r.watch("/api/v1/pods?watch=1&resourceVersion=1000&timeoutSeconds=1&allowWatchBookmarks=true", 9)
	var got []string
	for _, x := range e {
		got = append(got, fmt.Sprint(x["type"], at(x, "object", "metadata", "resourceVersion")))
	}
	if s := strings.Join(got, " "); s != "MODIFIED1001 DELETED1003 ADDED1004 BOOKMARK1004" {
		t.Error(s)
	}
	if at(e[0], "object", "metadata", "uid") == at(e[2], "object", "metadata", "uid") {
		t.Error("an object made anew has its old uid")
	}
	if at(e[0], "object", "kind") != "Pod" || at(e[0], "object", "apiVersion") != "v1" {
		t.Error("an event's object lacks kind and apiVersion")
	}
}

func TestWatchList(t *testing.T) {
	const path = "/apis/batch/v1/jobs?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
	e := newRig(t, options{}).watch(path, 51)
	last := e[len(e)-1]
	if len(e) != 51 || last["type"] != "BOOKMARK" || at(last, "object", "metadata", "annotations", "k8s.io/initial-events-end") != "true" {
		t.Error(len(e), last)
	}
	if v, code := newRig(t, options{watchList: "off"}).get(path, ""); code != 422 || v["reason"] != "Invalid" {
		t.Error(code, v)
	}
	e = newRig(t, options{watchList: "etcd"}).watch(path, 9)
	if len(e) != 1 || e[0]["type"] != "ERROR" || at(e[0], "object", "code") != 500.0 {
		t.Error(e)
	}
}

// After a restore a watch at a version of the future is silent, and lists are older than before.
func TestRewind(t *testing.T) {
	r := newRig(t, options{})
	r.post("/change", "resource=pods&namespace=team-01&name=pod-00001&op=delete")
	r.post("/change", "count=5")
	r.post("/rewind", "by=6")
	v, _ := r.get("/api/v1/namespaces/team-01/pods/pod-00001", "")
	if at(v, "metadata", "name") != "pod-00001" {
		t.Error("the object did not come back", v)
	}
	if v, _ = r.get("/api/v1/pods?limit=1", ""); at(v, "metadata", "resourceVersion") != "1000" {
		t.Error(v["metadata"])
	}
	if e := r.watch("/api/v1/pods?watch=1&resourceVersion=1006&timeoutSeconds=1", 1); len(e) != 0 {
		t.Error(e)
	}
}

func TestForms(t *testing.T) {
	r := newRig(t, options{})
	v, _ := r.get("/api/v1/pods?limit=1", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
	if v["kind"] != "PartialObjectMetadataList" || at(items(v)[0], "kind") != "PartialObjectMetadata" || at(items(v)[0], "spec") != nil {
		t.Error(v)
	}
	v, _ = r.get("/api/v1/pods?limit=1", "")
	if at(items(v)[0], "kind") != nil || at(items(v)[0], "apiVersion") != nil {
		t.Error("a typed list's item carries kind or apiVersion")
	}
	const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
	if v, _ = r.get("/apis", aggregated); v["kind"] != "APIGroupDiscoveryList" {
		t.Error(v["kind"])
	}
	if v, _ = newRig(t, options{oldDiscovery: true}).get("/apis", aggregated); v["kind"] != "APIGroupList" {
		t.Error(v["kind"])
	}
	if v, _ = r.get("/api/v1/namespaces/kube-system", ""); at(v, "metadata", "uid") == nil {
		t.Error(v)
	}
}

func TestSelectors(t *testing.T) {
	r := newRig(t, options{})
	v, _ := r.get("/api/v1/pods?fieldSelector=metadata.namespace!%3Dteam-01,metadata.namespace!%3Dteam-02", "")
	if n := len(items(v)); n != 360 {
		t.Errorf("%d pods outside two of twenty namespaces, want 360", n)
	}
	if v, _ = r.get("/api/v1/namespaces/team-03/pods", ""); len(items(v)) != 20 {
		t.Error(len(items(v)))
	}
	if _, code := r.get("/api/v1/namespaces?fieldSelector=metadata.namespace!%3Dx", ""); code != 400 {
		t.Errorf("a namespace selector on a kind without namespaces: %d, want 400", code)
	}
}

func TestTokenOfAnotherCluster(t *testing.T) {
	r := newRig(t, options{})
	r.c.token = "another"
	q, _ := http.NewRequest("GET", r.server.URL+"/api/v1/pods", nil)
	q.Header.Set("Authorization", "Bearer "+tokenOf(0))
	resp, err := r.server.Client().Do(q)
	if err != nil || resp.StatusCode != 401 {
		t.Error(err, resp)
	}
}

func TestFaultsOfRequests(t *testing.T) {
	r := newRig(t, options{})
	r.post("/fault", "verb=list&resource=pods&type=429&arg=7&count=1")
	resp := r.request("/api/v1/pods", "")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" {
		t.Error(resp.StatusCode, resp.Header)
	}
	if _, code := r.get("/api/v1/pods?limit=1", ""); code != 200 {
		t.Errorf("a fault of one request met two: %d", code)
	}
	for _, f := range []struct{ form, path string }{
		{"type=truncate&arg=1000&count=1", "/api/v1/pods"},
		{"type=abort&arg=1000&count=1", "/api/v1/pods"},
	} {
		r.post("/fault", f.form)
		b, err := io.ReadAll(r.request(f.path, "").Body)
		if len(b) != 1000 || (err != nil) != strings.Contains(f.form, "abort") {
			t.Error(f.form, len(b), err)
		}
	}
	r.post("/fault", "type=huge&arg=100000000&count=1")
	if n, err := io.Copy(io.Discard, r.request("/api/v1/pods", "").Body); n < 100000000 || err != nil {
		t.Error(n, err)
	}
	r.post("/unfault", "")
	r.post("/fault", "type=503&skip=1")
	if _, code := r.get("/api/v1/pods?limit=1", ""); code != 200 {
		t.Error("skip=1 skipped nothing")
	}
	if _, code := r.get("/api/v1/pods?limit=1", ""); code != 503 {
		t.Error(code)
	}
	if !strings.Contains(r.post("/faults", ""), `"hits":1`) {
		t.Error("hits are not counted")
	}
}

func TestBreakOfOpenWatches(t *testing.T) {
	r := newRig(t, options{})
	for how, want := range map[string]int{"close": 0, "410": 1, "500": 1} {
		done := make(chan []map[string]any)
		go func() { done <- r.watch("/api/v1/pods?watch=1&resourceVersion=1000", 9) }()
		for r.post("/break", "how="+how) == "0\n" {
			time.Sleep(time.Millisecond)
		}
		if e := <-done; len(e) != want {
			t.Error(how, e)
		}
	}
}
