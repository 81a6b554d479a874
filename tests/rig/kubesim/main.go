// SPDX-License-Identifier: Apache-2.0

// kubesim: thousands of simulated Kubernetes API servers in one process, for load and for faults. Cluster
// number N listens on port BASE+N of the loopback address (TLS, HTTP/2 and 1.1) and serves discovery,
// version, and get, list and watch of twelve kinds; README.md says what of each.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	opt := &options{}
	n := flag.Int("clusters", 1, "how many clusters")
	port := flag.Int("port", 20000, "port of the first cluster; the others follow")
	controlAddr := flag.String("control", "127.0.0.1:19999", "address of the control service")
	objects := flag.Int("objects", 1000, "objects of a cluster, about")
	rate := flag.Float64("rate", 0, "changes a second in each cluster")
	churn := flag.Float64("churn", 0, "share of the changes that deletes or creates an object")
	paused := flag.Bool("paused", false, "no changes until POST /resume")
	accounts := flag.String("write-accounts", "", "directory to leave kubeconfigs/ and accounts.d/ in, a file for each cluster")
	flag.IntVar(&maxHistory, "history", 1000, "changes that a cluster remembers; older versions are expired")
	flag.DurationVar(&bookmarkEvery, "bookmarks", bookmarkEvery, "time between bookmarks")
	flag.StringVar(&opt.watchList, "watch-list", "on", "on; off: refused as by a server without it; etcd: fails as over an old etcd")
	flag.BoolVar(&opt.oldDiscovery, "old-discovery", false, "no aggregated discovery")
	flag.StringVar(&opt.version, "version", "v1.36.3", "gitVersion")
	flag.Parse()
	if err := run(opt, *n, *port, *controlAddr, *objects, *rate, *churn, *paused, *accounts); err != nil {
		fmt.Fprintln(os.Stderr, "kubesim:", err)
		os.Exit(1)
	}
}

func run(opt *options, n, port int, controlAddr string, objects int, rate, churn float64, paused bool, accounts string) error {
	scale(objects)
	build()
	cert, ca, err := certificate()
	if err != nil {
		return err
	}
	fs := &faults{}
	clusters := make([]*cluster, n)
	for id := range clusters {
		c := newCluster(id, fs)
		c.rate, c.churn, c.paused = rate, churn, paused
		clusters[id] = c
		if err := serve(&server{cluster: c, opt: opt}, port+id, cert); err != nil {
			return err
		}
	}
	if accounts != "" {
		if err := writeAccounts(accounts, n, port, ca); err != nil {
			return err
		}
	}
	go drive(clusters)
	l, err := net.Listen("tcp", controlAddr)
	if err != nil {
		return err
	}
	ctl := &control{clusters: clusters, faults: fs}
	go http.Serve(l, ctl.handler()) //nolint:errcheck // ends with the process
	fmt.Printf("kubesim: %d clusters of %d objects, ports %d to %d, control %s\n", n, total, port, port+n-1, l.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return nil
}

// serve answers one cluster's port, in the background.
func serve(s *server, port int, cert tls.Certificate) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	h := &http.Server{Handler: s, TLSConfig: config, ConnContext: withConn, ErrorLog: log.New(io.Discard, "", 0)}
	limitStreams(h)
	go h.ServeTLS(&listener{Listener: l, cluster: s.cluster, config: config}, "", "") //nolint:errcheck // ends with the process
	return nil
}
