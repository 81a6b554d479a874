# SPDX-License-Identifier: Apache-2.0
"""Who asks for operations at the peer's socket (operations.py), from any number of threads."""
import os
import queue
import socket
import struct
import threading

from operations import CANCEL, OPERATION
from wire import pb


class Asker:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lock = threading.Lock()
        self._waiting = {}  # id: queue of its parts
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        stream = self._socket.makefile("rb")
        while True:
            head = stream.read(4)
            if len(head) < 4:
                break
            r = pb.OperationResult.FromString(stream.read(struct.unpack(">I", head)[0]))
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

    def begin(self, account, operation):
        """Sends it, with an id if it has none; what end() takes."""
        operation.id = operation.id or os.urandom(16)
        parts = queue.SimpleQueue()
        with self._lock:
            self._waiting[operation.id] = parts
        self._send(OPERATION, account, operation)
        return operation.id

    def end(self, key, seconds=60):
        """The last part of the result, its body that of all parts; TimeoutError."""
        parts, body = self._waiting[key], b""
        try:
            while True:
                r = parts.get(timeout=seconds)
                if r is None:
                    raise ConnectionError("the peer is gone")
                body += r.body
                if r.last:
                    r.body = body
                    return r
        except queue.Empty:
            raise TimeoutError(f"an operation was not answered within {seconds} s") from None
        finally:
            with self._lock:
                del self._waiting[key]

    def ask(self, account, operation, seconds=60):
        return self.end(self.begin(account, operation), seconds)

    def cancel(self, account, key):
        self._send(CANCEL, account, pb.OperationCancel(id=key))

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
