# SPDX-License-Identifier: Apache-2.0
"""Who asks for operations, from any number of threads: at the peer's socket (operations.py), as Clouddriver does, or
at the agent's control socket (ipc/operate.h), as scale-agentctl does."""
import os
import queue
import socket
import struct
import threading

from operations import AGAIN, CANCEL, OPERATION
from wire import pb


class Asker:
    """At the peer."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._start()

    def _start(self):
        self._lock = threading.Lock()
        self._waiting = {}  # id: queue of its parts
        self._stream = self._socket.makefile("rb")
        threading.Thread(target=self._read, daemon=True).start()

    def _next(self):
        """The bytes of the next message; None at the end."""
        head = self._stream.read(4)
        return self._stream.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None

    def _read(self):
        while (data := self._next()) is not None:
            r = pb.OperationResult.FromString(data)
            with self._lock:
                parts = self._waiting.get(r.id)
            if parts is not None:
                parts.put(r)
        with self._lock:
            for parts in self._waiting.values():
                parts.put(None)

    def _send(self, what, account, message):
        name = account.encode()
        frame = bytes((what, len(name))) + name + message.SerializeToString()
        with self._lock:
            self._socket.sendall(struct.pack(">I", len(frame)) + frame)

    def begin(self, account, operation, again=False):
        """Sends it, with an id if it has none; what end() takes. again: it was sent before, to this worker or another."""
        operation.id = operation.id or os.urandom(16)
        with self._lock:
            self._waiting[operation.id] = queue.SimpleQueue()
        self._send(AGAIN if again else OPERATION, account, operation)
        return operation.id

    def end(self, key, seconds=60):
        """The last part of the result, its body that of all parts; TimeoutError."""
        parts, body = self._waiting[key], b""
        try:
            while True:
                r = parts.get(timeout=seconds)
                if r is None:
                    raise ConnectionError("who was asked is gone")
                body += r.body
                if r.last:
                    r.body = body
                    return r
        except queue.Empty:
            raise TimeoutError(f"an operation was not answered within {seconds} s") from None
        finally:
            with self._lock:
                del self._waiting[key]

    def ask(self, account, operation, seconds=60, again=False):
        return self.end(self.begin(account, operation, again), seconds)

    def cancel(self, account, key):
        self._send(CANCEL, account, pb.OperationCancel(id=key))

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side is gone
        self._socket.close()


class OnHost(Asker):
    """At the agent's host, of one account's worker. There is no cancelling but close()."""

    HEADER = bytes((0, 0x53, 0x50, 0, 0, 0x10, 0, 0))  # of SP's PAIR0

    def __init__(self, control, account):  # pylint: disable=super-init-not-called
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(control))
            s.sendall(f"operate {account}\n".encode())
            passed, answer = [], b""
            while not passed or b"OK" not in answer:
                data, fds, _, _ = socket.recv_fds(s, 4096, 1)
                answer += data
                passed += fds
                if not data or b"ERROR" in answer:
                    raise ConnectionError(f"no channel to {account}: {answer.decode()}")
        self._socket = socket.socket(fileno=passed[0])
        self._socket.setblocking(True)
        self._socket.sendall(self.HEADER)
        greeting = self._socket.recv(8, socket.MSG_WAITALL)
        if greeting != self.HEADER:
            raise ConnectionError(f"the worker of {account} greets by {greeting!r}")
        self._start()

    def _next(self):
        head = self._stream.read(9)
        return self._stream.read(struct.unpack(">Q", head[1:])[0]) if len(head) == 9 else None

    def _send(self, what, account, message):
        data = message.SerializeToString()
        with self._lock:
            self._socket.sendall(b"\1" + struct.pack(">Q", len(data)) + data)
