// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// conn is one TCP connection to a cluster; it can be told to close after so many bytes written.
type conn struct {
	net.Conn
	cluster *cluster
	mu      sync.Mutex
	limited bool
	left    int64
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *conn { return r.Context().Value(connKey{}).(*conn) }

func (c *conn) closeAfter(n int64) {
	c.mu.Lock()
	c.limited, c.left = true, n
	c.mu.Unlock()
}

func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	cut := c.limited && int64(len(b)) >= c.left
	if cut {
		b = b[:c.left]
	}
	if c.limited {
		c.left -= int64(len(b))
	}
	c.mu.Unlock()
	n, err := c.Conn.Write(b)
	if cut && err == nil {
		c.Close()
		err = net.ErrClosed
	}
	return n, err
}

func (c *conn) Close() error {
	c.cluster.mu.Lock()
	delete(c.cluster.conns, c)
	c.cluster.mu.Unlock()
	return c.Conn.Close()
}

// What can go wrong with a connection before its first request.
var connectFaults = map[string]string{
	"refuse":  "closed at once",
	"hang":    "accepted, and silent",
	"close":   "closed after arg bytes, counted from the first of the TLS handshake",
	"garbage": "random bytes instead of TLS",
	"plain":   "a plain HTTP answer instead of TLS",
	"headers": "HTTP/2 response headers that never end",
}

// listener hands out the connections that nothing is wrong with.
type listener struct {
	net.Listener
	cluster *cluster
	config  *tls.Config
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, cluster: l.cluster}
		l.cluster.mu.Lock()
		down := l.cluster.down
		if !down {
			l.cluster.conns[c] = struct{}{}
		}
		l.cluster.mu.Unlock()
		if down {
			raw.(*net.TCPConn).SetLinger(0) //nolint:errcheck // it is closed anyway
			raw.Close()
			continue
		}
		l.cluster.counts.Connections.Add(1)
		if f := l.cluster.faults.match(l.cluster.id, request{verb: "connect"}, ""); f != nil {
			if f.Type != "close" {
				go l.fault(c, f)
				continue
			}
			c.closeAfter(f.Arg)
		}
		return c, nil
	}
}

func (l *listener) fault(c *conn, f *fault) {
	defer c.Close()
	switch f.Type {
	case "hang":
		<-f.ended
	case "garbage":
		io.CopyN(c, rand.Reader, 1<<16) //nolint:errcheck // the client is gone
	case "plain":
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck
	case "headers":
		endlessHeaders(tls.Server(c, l.config), f)
	}
}

// endlessHeaders answers the first request of an HTTP/2 connection with a header block that never ends
// (RFC 9113, 6.10: CONTINUATION frames without END_HEADERS).
func endlessHeaders(c *tls.Conn, f *fault) {
	c.SetDeadline(time.Now().Add(10 * time.Minute)) //nolint:errcheck // of a TCP connection: it can't fail
	preface := make([]byte, 24)
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	frame := func(kind, flags byte, stream uint32, body []byte) error {
		head := make([]byte, 9, 9+len(body))
		binary.BigEndian.PutUint32(head, uint32(len(body))<<8|uint32(kind))
		head[4] = flags
		binary.BigEndian.PutUint32(head[5:], stream)
		_, err := c.Write(append(head, body...))
		return err
	}
	const data, headers, settings, continuation = 0, 1, 4, 9
	if frame(settings, 0, 0, nil) != nil || frame(settings, 1, 0, nil) != nil {
		return
	}
	var stream uint32
	for stream == 0 { // until a HEADERS frame came
		head := make([]byte, 9)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, c, n); err != nil {
			return
		}
		if head[3] == headers {
			stream = binary.BigEndian.Uint32(head[5:])
		}
	}
	if frame(headers, 0, stream, []byte{0x88}) != nil { // :status 200, indexed
		return
	}
	// A literal field without indexing, with a name and value of 100 bytes.
	field := []byte{0, 100}
	for i := 0; i < 100; i++ {
		field = append(field, 'a'+byte(i%26))
	}
	field = append(append(field, 100), field[2:102]...)
	var block []byte
	for i := 0; i < 70; i++ {
		block = append(block, field...)
	}
	for frame(continuation, 0, stream, block) == nil {
		select {
		case <-f.ended:
			return
		default:
		}
	}
}
