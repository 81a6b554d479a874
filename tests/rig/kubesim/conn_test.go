// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// startListener starts a cluster as main does, on a port of the system's choice, and returns its address.
func startListener(t *testing.T) (*cluster, string) {
	t.Helper()
	cert, _, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(0, &faults{})
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	h := &http.Server{Handler: &server{cluster: c, opt: &options{watchList: "on", version: "v1.36.3"}}, TLSConfig: config, ConnContext: withConn}
	go h.ServeTLS(&listener{Listener: l, cluster: c, config: config}, "", "") //nolint:errcheck
	t.Cleanup(func() { h.Close() })
	return c, l.Addr().String()
}

func client() *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func fetch(address string) (int64, error) {
	q, _ := http.NewRequest("GET", "https://"+address+"/api/v1/pods", nil)
	q.Header.Set("Authorization", "Bearer "+tokenOf(0))
	resp, err := client().Do(q)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}

func TestConnectFaults(t *testing.T) {
	c, address := startListener(t)
	whole, err := fetch(address)
	if err != nil || whole < 1000000 {
		t.Fatal(whole, err)
	}
	for _, f := range []*fault{
		{Type: "refuse"}, {Type: "garbage"}, {Type: "plain"}, {Type: "headers"},
		{Type: "close", Arg: 0}, {Type: "close", Arg: 100}, {Type: "close", Arg: 2000}, {Type: "close", Arg: whole / 2},
	} {
		f.Verb, f.Cluster, f.Left, f.ended = "connect", -1, 1, make(chan struct{})
		c.faults.add(f)
		if n, err := fetch(address); err == nil {
			t.Errorf("%s %d: %d bytes read without an error", f.Type, f.Arg, n)
		}
		if c.faults.list()[0].Hits != 1 {
			t.Errorf("%s: no hit counted", f.Type)
		}
		c.faults.remove(0)
	}
	if n, err := fetch(address); err != nil || n != whole {
		t.Error("does not go on after the faults:", n, err)
	}
}

func TestHangEndsWithTheFault(t *testing.T) {
	c, address := startListener(t)
	f := &fault{Verb: "connect", Type: "hang", Cluster: -1, Left: 1, ended: make(chan struct{})}
	c.faults.add(f)
	done := make(chan error)
	go func() { _, err := fetch(address); done <- err }()
	select {
	case err := <-done:
		t.Fatal("did not hang:", err)
	case <-time.After(200 * time.Millisecond):
	}
	c.faults.remove(0)
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

func TestDown(t *testing.T) {
	c, address := startListener(t)
	c.mu.Lock()
	c.down = true
	c.mu.Unlock()
	if _, err := fetch(address); err == nil || errors.Is(err, http.ErrHandlerTimeout) {
		t.Error("a cluster that is down answers", err)
	}
}

func TestChangesAreEvenlySpread(t *testing.T) {
	clusters := []*cluster{newCluster(0, &faults{}), newCluster(1, &faults{})}
	for _, c := range clusters {
		c.rate = 200
	}
	go drive(clusters)
	time.Sleep(time.Second)
	for _, c := range clusters {
		c.mu.Lock()
		c.paused = true
		if n := len(c.history); n < 100 || n > 220 {
			t.Errorf("cluster %d: %d changes in a second, want about 200", c.id, n)
		}
		c.mu.Unlock()
	}
}
