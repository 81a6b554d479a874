// SPDX-License-Identifier: Apache-2.0

// h2echo is the other side of the HTTP client's tests: a server that says what it received, and that
// misbehaves on demand. Standard library only.
//
//	h2echo DIR
//
// DIR holds server.crt/.key, expired.crt/.key and ca.crt (PEM), and the files token, which /auth wants,
// and vault-token, which /v1/ wants.
// It prints one line "name=port ..." on standard output and ends with its standard input.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type world struct {
	dir      string
	connects int64 // CONNECT requests that the proxies served
	proxied  atomic.Value
	frozen   int64 // connections with a number up to this one are dead
	accepted int64
}

// conn of a peer that can vanish: nothing is read or written any more, and nothing is closed.
type conn struct {
	net.Conn
	w      *world
	number int64
	once   sync.Once
	closed chan struct{}
}

func (c *conn) wait() {
	if c.number <= atomic.LoadInt64(&c.w.frozen) {
		<-c.closed
	}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wait()
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.wait()
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type listener struct {
	net.Listener
	w *world
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := atomic.AddInt64(&l.w.accepted, 1)
	return &conn{Conn: c, w: l.w, number: n, closed: make(chan struct{})}, nil
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	cn := ""
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		cn = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	sni := ""
	if r.TLS != nil {
		sni = r.TLS.ServerName
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.RequestURI(), "host": r.Host, "proto": r.Proto,
		"peer": r.RemoteAddr, "header": r.Header, "body": string(body), "client": cn, "sni": sni,
	})
}

func (s *world) auth(w http.ResponseWriter, r *http.Request) {
	token, _ := os.ReadFile(filepath.Join(s.dir, "token"))
	if r.Header.Get("Authorization") != "Bearer "+strings.TrimSpace(string(token)) {
		status(w, 401, "Unauthorized")
		return
	}
	echo(w, r)
}

func status(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "code": code, "message": message,
	})
}

func refuse(w http.ResponseWriter, r *http.Request) {
	if after := r.URL.Query().Get("after"); after != "" {
		w.Header().Set("Retry-After", after)
	}
	if r.URL.Query().Get("date") != "" {
		later := time.Now().Add(time.Duration(number(r, "date", 0)) * time.Second)
		w.Header().Set("Retry-After", later.UTC().Format(http.TimeFormat))
	}
	if to := r.URL.Query().Get("to"); to != "" {
		w.Header().Set("Location", to)
	}
	status(w, number(r, "code", 500), "told to")
}

// vault is as much of Vault's KV engine, version 2, as a client meets: the value is the namespace that was asked.
func (s *world) vault(w http.ResponseWriter, r *http.Request) {
	answer := func(code int, v any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	token, _ := os.ReadFile(filepath.Join(s.dir, "vault-token"))
	switch {
	case r.Header.Get("X-Vault-Token") != strings.TrimSpace(string(token)) || r.Header.Get("X-Vault-Request") != "true":
		answer(403, map[string]any{"errors": []string{"permission denied"}})
	case r.URL.Path == "/v1/auth/token/lookup-self":
		answer(200, map[string]any{"data": map[string]any{"ttl": 3600, "renewable": false}})
	case r.URL.Path == "/v1/kv/data/prod":
		value := map[string]string{"kubeconfig": "of the namespace <" + r.Header.Get("X-Vault-Namespace") + ">"}
		answer(200, map[string]any{"data": map[string]any{"data": value}})
	case r.URL.Path == "/v1/kv/data/moved":
		w.Header().Set("Location", "/v1/kv/data/prod")
		w.WriteHeader(307)
	default:
		answer(404, map[string]any{"errors": []string{}})
	}
}

func (s *world) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"gitVersion":"v1.0.0"}`)
	})
	m.HandleFunc("/echo", echo)
	m.HandleFunc("/prefix/echo", echo)
	m.HandleFunc("/auth", s.auth)
	m.HandleFunc("/status", refuse)
	m.HandleFunc("/v1/", s.vault)
	m.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	m.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"first":true}`)
		flush(w)
		<-r.Context().Done()
	})
	m.HandleFunc("/lines", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < number(r, "n", 10); i++ {
			fmt.Fprintln(w, strings.Repeat("x", number(r, "size", 10)))
			flush(w)
		}
	})
	m.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(number(r, "code", 200))
		for piece := []byte(strings.Repeat("y", 32768)); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	m.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "only this")
		flush(w)
		panic(http.ErrAbortHandler)
	})
	m.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < number(r, "n", 1000); i++ {
			w.Header().Set(fmt.Sprintf("X-Many-%d", i), strings.Repeat("z", number(r, "size", 10)))
		}
	})
	m.HandleFunc("/freeze", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "{}")
		flush(w)
		// The answer must be out before the connection that it goes over dies.
		time.AfterFunc(200*time.Millisecond, func() {
			atomic.StoreInt64(&s.frozen, atomic.LoadInt64(&s.accepted))
		})
	})
	m.HandleFunc("/connects", func(w http.ResponseWriter, _ *http.Request) {
		who, _ := s.proxied.Load().(string)
		fmt.Fprintf(w, "%d %s", atomic.LoadInt64(&s.connects), who)
	})
	return m
}

// A proxy that knows CONNECT alone.
func (s *world) proxy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		atomic.AddInt64(&s.connects, 1)
		s.proxied.Store(r.Host + " " + r.Header.Get("Proxy-Authorization") +
			r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusOK)
		near, rest, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(far, rest); far.Close() }()
		_, _ = io.Copy(near, far)
		near.Close()
	})
}

// The smallest of SOCKS 5 (RFC 1928): no authentication, CONNECT to a name or an IPv4 address.
func (s *world) socks(near net.Conn) {
	defer near.Close()
	head := make([]byte, 262)
	if _, err := io.ReadFull(near, head[:2]); err != nil {
		return
	}
	_, _ = io.ReadFull(near, head[:head[1]])
	_, _ = near.Write([]byte{5, 0})
	_, _ = io.ReadFull(near, head[:4])
	host := ""
	if head[3] == 1 {
		_, _ = io.ReadFull(near, head[:4])
		host = net.IP(head[:4]).String()
	} else {
		_, _ = io.ReadFull(near, head[:1])
		n := head[0]
		_, _ = io.ReadFull(near, head[:n])
		host = string(head[:n])
	}
	_, _ = io.ReadFull(near, head[:2])
	far, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(int(head[0])<<8|int(head[1]))))
	if err != nil {
		return
	}
	atomic.AddInt64(&s.connects, 1)
	_, _ = near.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { _, _ = io.Copy(far, near); far.Close() }()
	_, _ = io.Copy(near, far)
}

// Says what it is told to, byte for byte, and no more HTTP than that.
func raw(c net.Conn) {
	defer c.Close()
	request := make([]byte, 4096)
	n, _ := c.Read(request)
	switch line := string(request[:n]); {
	case strings.HasPrefix(line, "GET /headers "):
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(c, "X-N-%d: value\r\n", i); err != nil {
				return
			}
		}
	case strings.HasPrefix(line, "GET /header "):
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nX-Long: ")
		for {
			if _, err := fmt.Fprint(c, strings.Repeat("v", 4096)); err != nil {
				return
			}
		}
	case strings.HasPrefix(line, "GET /garbage "):
		fmt.Fprint(c, "\x00\x01\x02 this is no HTTP\r\n\r\n")
	case strings.HasPrefix(line, "GET /continue "):
		for {
			if _, err := fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
	}
}

func serveRaw(l net.Listener, f func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f(c)
	}
}

func main() {
	s := &world{dir: os.Args[1]}
	log.SetOutput(io.Discard)
	quiet := log.New(io.Discard, "", 0)
	line := []string{}
	listen := func(name string) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		line = append(line, fmt.Sprintf("%s=%d", name, l.Addr().(*net.TCPAddr).Port))
		return listener{l, s}
	}
	file := func(name string) string { return filepath.Join(s.dir, name) }
	server := func(h http.Handler, h1 bool) *http.Server {
		v := &http.Server{Handler: h, ErrorLog: quiet,
			TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert}}
		if h1 {
			v.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		return v
	}
	go server(s.handler(), false).ServeTLS(listen("tls"), file("server.crt"), file("server.key"))
	go server(s.handler(), false).ServeTLS(listen("expired"), file("expired.crt"), file("expired.key"))
	go server(s.handler(), true).ServeTLS(listen("h1"), file("server.crt"), file("server.key"))
	go server(s.handler(), true).Serve(listen("plain"))
	go server(s.proxy(), true).Serve(listen("proxy"))
	go server(s.proxy(), true).ServeTLS(listen("tlsproxy"), file("server.crt"), file("server.key"))
	go serveRaw(listen("raw"), raw)
	go serveRaw(listen("socks"), s.socks)
	fmt.Println(strings.Join(line, " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
}
