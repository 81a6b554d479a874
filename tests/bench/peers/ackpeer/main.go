// SPDX-License-Identifier: Apache-2.0

// A peer for load tests: it speaks the plugin's side of proto/scale_agent.proto as cheaply as that can be
// done, stores nothing, says yes to every sum, and counts. What it holds in step it does not know: for
// correctness there is tests/rig/peer.
//
// ackpeer --listen ADDR (gRPC over plain HTTP/2) --control ADDR (GET /stats, POST /reset).
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

var (
	window   = flag.Uint64("credit", 4<<20, "bytes an account may send before they are acknowledged")
	ackEvery = flag.Duration("ack", 100*time.Millisecond, "time between acknowledgements")
)

// account is the peer's view of one account on one stream.
type account struct {
	epoch, sequence, received uint64
	acked, granted            uint64 // what the last Ack said
}

type stream struct {
	stats    *stats
	mu       sync.Mutex // guards what follows
	out      io.Writer
	flush    func()
	accounts map[uint64]*account
}

// epochs grow for ever, over all streams.
var (
	epochMu   sync.Mutex
	lastEpoch uint64
)

func nextEpoch() uint64 {
	epochMu.Lock()
	defer epochMu.Unlock()
	lastEpoch++
	return lastEpoch
}

// send writes one PluginMessage as a gRPC frame; the caller holds mu.
func (s *stream) send(m []byte) {
	var head [5]byte
	binary.BigEndian.PutUint32(head[1:], uint32(len(m)))
	s.out.Write(append(head[:], m...)) //nolint:errcheck // a dead stream shows in its reader
}

// reply sends an AccountReply with one field set.
func (s *stream) reply(handle uint64, epoch uint64, number int, body []byte) {
	r := putBytes(putVarint(nil, 1, epoch), number, body)
	s.send(putBytes(putVarint(nil, 1, handle), 2, r))
}

// message handles one AgentMessage.
func (s *stream) message(m []byte) error {
	var handle uint64
	s.stats.mu.Lock()
	s.stats.messages++
	s.stats.bytes += int64(len(m))
	s.stats.mu.Unlock()
	return fields(m, func(f field) error {
		switch f.number {
		case 1:
			handle = f.n
		case 2:
			return s.accountMessage(handle, f.bytes)
		case 3: // Hello
			answer := putVarint(nil, 1, 1)
			answer = putBytes(answer, 2, []byte("ackpeer"))
			answer = putBytes(answer, 3, []byte("ackpeer"))
			s.locked(func() { s.send(putBytes(nil, 3, answer)) })
		case 5: // AccountGone
			s.locked(func() { delete(s.accounts, handle) })
		case 6: // Heartbeat
			var nonce, isReply uint64
			err := fields(f.bytes, func(h field) error {
				switch h.number {
				case 1:
					nonce = h.n
				case 2:
					isReply = h.n
				}
				return nil
			})
			if err != nil || isReply != 0 {
				return err
			}
			s.locked(func() { s.send(putBytes(nil, 5, putVarint(putVarint(nil, 1, nonce), 2, 1))) })
		}
		return nil
	})
}

func (s *stream) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.flush()
}

// accountMessage handles one AccountMessage. Anything of an epoch that is over is ignored.
func (s *stream) accountMessage(handle uint64, m []byte) error {
	var epoch uint64
	return fields(m, func(f field) error {
		if f.number == 1 {
			epoch = f.n
			return nil
		}
		if f.number == 2 { // AccountOpen
			s.open(handle)
			return nil
		}
		s.mu.Lock()
		a := s.accounts[handle]
		s.mu.Unlock()
		if a == nil || a.epoch != epoch {
			return nil
		}
		switch f.number {
		case 4: // Sums
			return s.answer(handle, a, f.bytes, 4, func(v [3]uint64) []byte {
				s.stats.mu.Lock()
				s.stats.synced++
				s.stats.mu.Unlock()
				return putVarint(putVarint(nil, 1, v[0]), 2, 1)
			})
		case 6: // SnapshotPage
			s.locked(func() { a.received += uint64(len(m)) })
			return s.answer(handle, a, f.bytes, 5, func(v [3]uint64) []byte {
				return putVarint(putVarint(putVarint(nil, 1, v[0]), 2, v[1]), 3, v[2])
			})
		case 7: // SnapshotEnd
			return s.answer(handle, a, f.bytes, 6, func(v [3]uint64) []byte {
				return putVarint(putVarint(putVarint(nil, 1, v[0]), 2, v[1]), 3, 1)
			})
		case 8:
			return s.deltas(a, f.bytes, uint64(len(m)))
		}
		return nil
	})
}

func (s *stream) open(handle uint64) {
	a := &account{epoch: nextEpoch(), granted: *window}
	s.locked(func() {
		s.accounts[handle] = a
		s.reply(handle, a.epoch, 2, putVarint(putVarint(nil, 1, 1), 3, a.granted))
	})
	s.stats.mu.Lock()
	s.stats.opened++
	s.stats.lastOpen = time.Now()
	s.stats.mu.Unlock()
}

// answer replies with field number made from the first three fields of the message.
func (s *stream) answer(handle uint64, a *account, m []byte, number int, body func([3]uint64) []byte) error {
	var v [3]uint64
	err := fields(m, func(f field) error {
		if f.number >= 1 && f.number <= 3 {
			v[f.number-1] = f.n
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.locked(func() { s.reply(handle, a.epoch, number, body(v)) })
	return nil
}

func (s *stream) deltas(a *account, m []byte, size uint64) error {
	now := time.Now()
	var first, n uint64
	st := s.stats
	st.mu.Lock()
	st.batches++
	err := fields(m, func(f field) error {
		switch f.number {
		case 1:
			first = f.n
		case 2:
			n++
			st.deltas++
			return fields(f.bytes, func(d field) error {
				switch {
				case d.number == 6 && d.n != 0:
					st.deletes++
				case d.number == 8:
					st.object(d.bytes, now)
				}
				return nil
			})
		}
		return nil
	})
	st.mu.Unlock()
	s.mu.Lock()
	a.received += size
	if n > 0 {
		a.sequence = first + n - 1
	}
	s.mu.Unlock()
	return err
}

// acks acknowledges what came since the last time.
func (s *stream) acks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := false
	for handle, a := range s.accounts {
		credit := a.received + *window
		if a.acked == a.sequence && a.granted == credit {
			continue
		}
		a.acked, a.granted, sent = a.sequence, credit, true
		s.reply(handle, a.epoch, 3, putVarint(putVarint(nil, 1, a.acked), 2, credit))
	}
	if sent {
		s.flush()
	}
}

func (st *stats) connect(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc+proto")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	w.WriteHeader(http.StatusOK)
	s := &stream{stats: st, out: w, flush: w.(http.Flusher).Flush, accounts: map[uint64]*account{}}
	s.flush()
	st.mu.Lock()
	st.streams++
	st.mu.Unlock()
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		t := time.NewTicker(*ackEvery)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				s.acks()
			}
		}
	}()
	err := s.read(r.Body)
	close(done)
	<-stopped
	st.mu.Lock()
	st.streams--
	st.mu.Unlock()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ackpeer:", err)
		w.Header().Set("Grpc-Status", "13")
		w.Header().Set("Grpc-Message", err.Error())
		return
	}
	w.Header().Set("Grpc-Status", "0")
}

func (s *stream) read(body io.Reader) error {
	in := bufio.NewReaderSize(body, 1<<18)
	var head [5]byte
	buf := make([]byte, 0, 1<<18)
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil // the agent went away
		}
		n := binary.BigEndian.Uint32(head[1:])
		if head[0] != 0 || n > 64<<20 {
			return errWire
		}
		if cap(buf) < int(n) {
			buf = make([]byte, n)
		}
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return nil
		}
		if err := s.message(buf[:n]); err != nil {
			return err
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9091", "address of the gRPC service")
	control := flag.String("control", "127.0.0.1:9092", "address of the control service")
	flag.Parse()
	st := &stats{}
	ctl := http.NewServeMux()
	ctl.HandleFunc("/stats", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(st.report(false)) //nolint:errcheck
	})
	ctl.HandleFunc("/reset", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(st.report(true)) //nolint:errcheck
	})
	go func() { fail(http.ListenAndServe(*control, ctl)) }()
	mux := http.NewServeMux()
	mux.HandleFunc("/scaleagent.v1.ScaleAgent/Connect", st.connect)
	server := &http.Server{Addr: *listen, Handler: mux, Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerConnection: 16 << 20, MaxReceiveBufferPerStream: 16 << 20}}
	server.Protocols.SetUnencryptedHTTP2(true)
	fail(server.ListenAndServe())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ackpeer:", err)
	os.Exit(1)
}
