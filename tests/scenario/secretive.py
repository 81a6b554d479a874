# SPDX-License-Identifier: Apache-2.0
"""A small API server with secrets in it: Secrets, ConfigMaps and a Namespace, over HTTP/1.1 and TLS. It takes
the Authorization headers that it is told of and no other, and changes its objects when asked."""
import base64
import http.server
import json
import ssl
import threading
import urllib.parse

KINDS = {"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace"}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Server:
    def __init__(self, certificate, key, allowed):
        self.allowed, self.version, self.objects = set(allowed), 100, {k: {} for k in KINDS}
        self.changed = threading.Condition()
        self.history = []
        handler = type("Bound", (Handler,), {"cluster": self})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads, self.http.handle_error = True, lambda *a: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, resource, namespace, name, **members):
        with self.changed:
            self.version += 1
            there = (namespace, name) in self.objects[resource]
            metadata = {"name": name, "uid": f"uid-{resource}-{name}", "resourceVersion": str(self.version),
                        "creationTimestamp": "2026-01-01T00:00:00Z", **members.pop("metadata", {})}
            if namespace:
                metadata["namespace"] = namespace
            o = {"kind": KINDS[resource], "apiVersion": "v1", "metadata": metadata, **members}
            self.objects[resource][namespace, name] = o
            self.history.append((self.version, resource, {"type": "MODIFIED" if there else "ADDED", "object": o}))
            self.changed.notify_all()

    def kubeconfig(self, ca, token):
        """The text of one that holds everything itself."""
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": f"https://127.0.0.1:{self.port}",
                                                   "certificate-authority-data": encoded(ca.read_text())}}],
            "users": [{"name": "u", "user": {"token": token}}]})

    def allow(self, *headers):
        """Takes these from now on and no other; watches with another end."""
        with self.changed:
            self.allowed = set(headers)
            self.changed.notify_all()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *a):
        pass

    def reply(self, value, code=200):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, code, reason, message):
        self.reply({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}, code)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        part = url.path.strip("/").split("/")
        if self.headers.get("Authorization") not in self.cluster.allowed:
            self.fail(401, "Unauthorized", "Unauthorized")
        elif url.path == "/version":
            self.reply({"major": "1", "minor": "36", "gitVersion": "v1.36.3"})
        elif url.path == "/api":
            self.reply({"kind": "APIVersions", "versions": ["v1"]})
        elif url.path == "/apis":
            self.reply({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
        elif url.path == "/api/v1":
            self.reply({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                {"name": r, "singularName": k.lower(), "namespaced": r != "namespaces", "kind": k, "verbs": ["get", "list", "watch"]}
                for r, k in KINDS.items()]})
        elif part[:2] == ["api", "v1"] and part[-1] in KINDS and len(part) == 3:
            (self.watch if query.get("watch") else self.list)(part[-1], query)
        else:
            self.get(part)

    def get(self, part):
        namespace, resource, name = (part[3], part[4], part[5]) if len(part) == 6 else ("", part[-2], part[-1])
        o = self.cluster.objects.get(resource, {}).get((namespace, name))
        self.reply(o) if o else self.fail(404, "NotFound", f"{resource} {name} not found")

    def list(self, resource, _):
        with self.cluster.changed:
            items = [o for _, o in sorted(self.cluster.objects[resource].items())]
            if "PartialObjectMetadataList" in self.headers.get("Accept", ""):
                items = [{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]} for o in items]
            self.reply({"kind": KINDS[resource] + "List", "apiVersion": "v1",
                        "metadata": {"resourceVersion": str(self.cluster.version)}, "items": items})

    def watch(self, resource, query):
        if query.get("sendInitialEvents"):
            self.fail(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            return
        at = int(query.get("resourceVersion") or 0)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while self.headers.get("Authorization") in self.cluster.allowed:
            with self.cluster.changed:
                events = [e for v, r, e in self.cluster.history if v > at and r == resource]
                at = self.cluster.version
                if not events:
                    self.cluster.changed.wait(5)
            if not events:
                events = [{"type": "BOOKMARK", "object": {"kind": KINDS[resource], "apiVersion": "v1", "metadata": {"resourceVersion": str(at)}}}]
            body = b"".join(json.dumps(e).encode() + b"\n" for e in events)
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
