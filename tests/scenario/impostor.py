# SPDX-License-Identifier: Apache-2.0
"""Something on an API server's port that is not it: TLS with a certificate that should not be accepted, or
HTTP/1.1 without an end. Told to be good, it passes everything on to the real one."""
import base64
import pathlib
import socket
import ssl
import subprocess
import threading

CERTIFICATES = pathlib.Path(__file__).resolve().parents[1] / "unit" / "worker_http_certs.sh"


def make_certificates(directory):
    """ca, other-ca, server, expired and others by the unit tests' script; None without openssl."""
    directory.mkdir()
    try:
        subprocess.run(["sh", str(CERTIFICATES), str(directory)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=120)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return directory


def headers_without_end(s):
    s.sendall(b"HTTP/1.1 200 OK\r\n")
    line = b"X-More: " + b"a" * 1000 + b"\r\n"
    while True:
        s.sendall(line)


def a_header_without_end(s):
    s.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        s.sendall(b"a" * 16384)


def interim_answers_without_end(s):
    while True:
        s.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50)


def a_body_without_end(s):
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"gitVersion\": \"")
    while True:
        s.sendall(b"v" * 16384)


class Impostor:
    """Listens on a port of its own. bad: what is done with a TLS connection, None: nothing but the handshake."""

    def __init__(self, real_port, certificate, key, bad=None):
        self.real_port, self.bad, self.good = real_port, bad, False
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on if self.good else self._be_bad, args=(s,), daemon=True).start()

    def _be_bad(self, s):
        try:
            with self.tls.wrap_socket(s, server_side=True) as t:
                t.settimeout(30)
                if t.recv(65536) and self.bad:
                    self.bad(t)
        except OSError:
            pass  # refused, as it should be

    def _pass_on(self, s):
        try:
            to = socket.create_connection(("127.0.0.1", self.real_port))
        except OSError:
            s.close()
            return
        with s, to:
            back = threading.Thread(target=self._copy, args=(to, s), daemon=True)
            back.start()
            self._copy(s, to)
            back.join()

    @staticmethod
    def _copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # or accept() would go on
        self.listener.close()


def simulators_ca(kubeconfig):
    text = pathlib.Path(kubeconfig).read_text()
    return base64.b64decode(text.split("certificate-authority-data: ")[1].split("}")[0])
