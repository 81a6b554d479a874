# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on the loopback address that can be told to be a broken network."""
import select
import socket
import threading


class CutProxy:
    """Forwards port -> target. mode is one of
    pass    forwards
    refuse  closes new connections (connections there are stay: see drop)
    stall   forwards nothing and closes nothing, as a network that vanished; bytes wait
    drop() closes the connections there are, with a reset."""

    def __init__(self, target, port=0):
        self.target = target
        self.mode = "pass"
        self.connections = 0
        self.bytes = 0  # from those that connect
        self._pairs = {}  # socket -> its other side
        self._near = set()  # those of who connected
        self._wake = socket.socketpair()
        self._dropping = False
        self._closing = False
        self._listen = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = self._listen.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set(self, mode):
        if mode not in ("pass", "refuse", "stall"):
            raise ValueError(mode)
        self.mode = mode
        self._wake[1].send(b"x")

    def drop(self):
        self._dropping = True
        self._wake[1].send(b"x")

    def close(self):
        self._closing = True
        self._wake[1].send(b"x")
        self._thread.join()

    def _run(self):
        while not self._closing:
            waiting = [self._listen, self._wake[0]]
            if self.mode != "stall":
                waiting += list(self._pairs)
            readable, _, _ = select.select(waiting, [], [], 1)
            for s in readable:
                if s is self._wake[0]:
                    s.recv(4096)
                elif s is self._listen:
                    self._accept()
                elif s in self._pairs:
                    self._forward(s)
            if self._dropping:
                self._dropping = False
                for s in list(self._pairs):
                    self._end(s)
        for s in list(self._pairs):
            self._end(s)
        self._listen.close()

    def _accept(self):
        near, _ = self._listen.accept()
        if self.mode == "refuse":
            _reset(near)
            return
        far = self._connect()
        if far is None:
            _reset(near)
            return
        self.connections += 1
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.settimeout(30)
        self._pairs[near], self._pairs[far] = far, near
        self._near.add(near)

    def _connect(self):
        """A connection to where this one goes; None if nobody listens there."""
        try:
            return socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            return None

    def _forward(self, s):
        try:
            data = s.recv(1 << 18)
            if data:
                self.bytes += len(data) if s in self._near else 0
                self._pairs[s].sendall(data)
                return
        except OSError:
            pass
        self._end(s)

    def _end(self, s):
        other = self._pairs.pop(s, None)
        self._near -= {s, other}
        if other is not None:
            self._pairs.pop(other, None)
            _reset(other)
            _reset(s)


class Balancer(CutProxy):
    """Forwards each connection to the first of several ports at which somebody listens."""

    def __init__(self, targets, port=0):
        self.targets = list(targets)
        self.out = set()  # ports that get no new connections, as one whose readiness fails
        super().__init__(None, port)

    def _connect(self):
        for target in self.targets:
            if target not in self.out:
                try:
                    return socket.create_connection(("127.0.0.1", target), timeout=1)
                except OSError:
                    pass
        return None


def _reset(s):
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        pass
    s.close()
