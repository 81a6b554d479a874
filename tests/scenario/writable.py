# SPDX-License-Identifier: Apache-2.0
"""A small API server that takes changes, and dies, stands still or answers badly in the middle of one when it is told
to. As with a real one what it has written outlives it: a journal has a line for each change that was made.

    writable.py PORT DIRECTORY CERTIFICATE KEY

DIRECTORY/fault, if it is there, is JSON: {"method", "name", "when": "before" or "after" the change, "do"}; the first
request of that method whose path or body has the name does what it says, and the file goes."""
import base64
import http.client
import http.server
import json
import os
import pathlib
import signal
import ssl
import sys
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

TOKEN = "Bearer writable"
SPACE = "n"
KINDS = {"configmaps": ("", "ConfigMap"), "pods": ("", "Pod"), "namespaces": ("", "Namespace"), "deployments": ("apps", "Deployment")}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
STRATEGIC = "application/strategic-merge-patch+json"
LINE = b"a line of a log, of 64 bytes with its end: so it is counted....\n"


def merged(a, b):
    """RFC 7396."""
    if not isinstance(b, dict):
        return b
    a = dict(a) if isinstance(a, dict) else {}
    for k, v in b.items():
        if v is None:
            a.pop(k, None)
        else:
            a[k] = merged(a.get(k), v)
    return a


def openapi(group):
    """The document of version 3, as far as an apply reads it: which kinds take strategic merge patches, and their fields. No list of
    theirs is merged, so that such a patch is one of RFC 7396 here."""
    paths, schemas = {}, {}
    anything = {"type": "object"}
    metadata = {"type": "object", "properties": {"name": {"type": "string"}, "namespace": {"type": "string"},
                                                 "annotations": {"type": "object", "additionalProperties": {"type": "string"}}}}
    for resource, (g, kind) in KINDS.items():
        if g != group:
            continue
        gvk = {"group": g, "version": "v1", "kind": kind}
        root = f"/apis/{g}/v1" if g else "/api/v1"
        paths[f"{root}/namespaces/{{namespace}}/{resource}/{{name}}"] = {"patch": {
            "requestBody": {"content": {STRATEGIC: {"schema": anything}}}, "x-kubernetes-group-version-kind": gvk}}
        schemas[f"v1.{kind}"] = {
            "type": "object", "x-kubernetes-group-version-kind": [gvk],
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata, "spec": anything,
                           "data": {"type": "object", "additionalProperties": {"type": "string"}}}}
    return {"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}}


class Store:
    """Objects by resource and name, all in one namespace; and what was done to them, which is read at the start."""

    def __init__(self, directory):
        self.path = directory / "journal"
        self.changed, self.history, self.version = threading.Condition(), [], 100
        self.objects = {r: {} for r in KINDS}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            self._take(json.loads(line))
        self.journal = open(self.path, "a", encoding="utf-8")

    def _take(self, entry):
        self.version = entry["version"]
        known = self.objects[entry["resource"]]
        there, o = entry["name"] in known, entry["object"]
        if entry["verb"] == "delete":
            known.pop(entry["name"], None)
        else:
            known[entry["name"]] = o
        kind = "DELETED" if entry["verb"] == "delete" else "MODIFIED" if there else "ADDED"
        self.history.append((self.version, entry["resource"], {"type": kind, "object": o}))

    def write(self, verb, resource, o, asked):
        """Under the lock. asked: the name by which it was asked for."""
        m = o["metadata"]
        entry = {"verb": verb, "resource": resource, "name": m["name"], "asked": asked, "version": self.version + 1, "object": o}
        m["resourceVersion"] = str(self.version + 1)
        self.journal.write(json.dumps(entry) + "\n")
        self.journal.flush()
        self._take(entry)
        self.changed.notify_all()
        return o

    def create(self, resource, o):
        m = o.setdefault("metadata", {})
        asked = m.get("name") or m["generateName"]
        m.setdefault("name", f"{asked}{self.version:05d}")
        if m["name"] in self.objects[resource]:
            return None
        group, kind = KINDS[resource]
        o.update(kind=kind, apiVersion=f"{group}/v1" if group else "v1")
        m.update(uid=f"uid-{resource}-{m['name']}", creationTimestamp="2026-01-01T00:00:00Z")
        if resource != "namespaces":
            m["namespace"] = SPACE
        return self.write("create", resource, o, asked)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store, directory = None, None

    def log_message(self, *a):
        pass

    def reply(self, value, code=200, **headers):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, code, reason, message, **headers):
        self.reply({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code},
                   code, **headers)

    def fault(self, when, body=b""):
        """True: the request is over."""
        path = self.directory / "fault"
        try:
            f = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return False
        if f["method"] != self.command or f["when"] != when or (f["name"] not in self.path and f["name"].encode() not in body):
            return False
        path.unlink(missing_ok=True)
        if f["do"] in ("kill", "stop"):
            os.kill(os.getpid(), signal.SIGKILL if f["do"] == "kill" else signal.SIGSTOP)
            time.sleep(0.05)  # a signal is taken by any of the threads
            return False
        if f["do"] == "close":
            self.close_connection = True
        elif f["do"] == "503":
            self.fail(503, "ServiceUnavailable", "made up", Retry_After="0")
        else:
            self.fail(504, "Timeout", "made up", Retry_After="0")
        return True

    # ---- reading ----

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        part = url.path.strip("/").split("/")
        if self.headers.get("Authorization") != TOKEN:
            self.fail(401, "Unauthorized", "Unauthorized")
        elif url.path == "/version":
            self.reply({"major": "1", "minor": "36", "gitVersion": "v1.36.3"})
        elif url.path == "/api":
            self.reply({"kind": "APIVersions", "versions": ["v1"]})
        elif url.path == "/apis":
            version = {"groupVersion": "apps/v1", "version": "v1"}
            self.reply({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "apps", "versions": [version], "preferredVersion": version}]})
        elif url.path in ("/api/v1", "/apis/apps/v1"):
            group = "apps" if part[0] == "apis" else ""
            found = [{"name": r, "singularName": k.lower(), "namespaced": r != "namespaces", "kind": k, "verbs": VERBS}
                     for r, (g, k) in KINDS.items() if g == group]
            if group:
                found.append({"name": "deployments/scale", "namespaced": True, "group": "autoscaling", "version": "v1",
                              "kind": "Scale", "verbs": ["get", "patch", "update"]})
            self.reply({"kind": "APIResourceList", "groupVersion": "apps/v1" if group else "v1", "resources": found})
        elif url.path in ("/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1"):
            if not self.fault("before"):
                self.reply(openapi("apps" if "apps" in part else ""))
        else:
            self.objects(part, query)

    @staticmethod
    def place(part):
        """(resource, name, subresource) of a path."""
        part = part[2:] if part[0] == "api" else part[3:]
        if part[0] == "namespaces" and len(part) > 2:
            part = part[2:]
        return (*part, "", "")[:3]

    def objects(self, part, query):
        resource, name, sub = self.place(part)
        if resource not in KINDS:
            self.fail(404, "NotFound", "the server could not find the requested resource")
        elif sub == "log":
            self.log(1 << 30 if (o := self.store.objects[resource].get(name)) and "endless" in o else int(query.get("limitBytes", 1 << 20)))
        elif name:
            o = self.store.objects[resource].get(name)
            if o is None:
                self.fail(404, "NotFound", f'{resource} "{name}" not found')
            elif not self.fault("before"):
                self.reply(o)
        elif query.get("watch"):
            self.watch(resource, query)
        else:
            with self.store.changed:
                items = [o for _, o in sorted(self.store.objects[resource].items())]
                if "PartialObjectMetadataList" in self.headers.get("Accept", ""):
                    items = [{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]} for o in items]
                group, kind = KINDS[resource]
                self.reply({"kind": kind + "List", "apiVersion": f"{group}/v1" if group else "v1",
                            "metadata": {"resourceVersion": str(self.store.version)}, "items": items})

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def log(self, limit):
        (self.directory / "logs").touch()
        self.stream()
        piece = LINE * 1024
        while limit >= len(piece):
            self.chunk(piece)
            limit -= len(piece)
        self.chunk(b"")

    def watch(self, resource, query):
        if query.get("sendInitialEvents"):
            self.fail(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
            return
        only = query.get("fieldSelector", "").removeprefix("metadata.name=")
        at = int(query.get("resourceVersion") or 0)
        self.stream()
        while True:
            with self.store.changed:
                events = [e for v, r, e in self.store.history if v > at and r == resource and only in ("", e["object"]["metadata"]["name"])]
                at = self.store.version
                if not events:
                    self.store.changed.wait(5)
            if not events:
                group, kind = KINDS[resource]
                events = [{"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": f"{group}/v1" if group else "v1",
                                                          "metadata": {"resourceVersion": str(at)}}}]
            self.chunk(b"".join(json.dumps(e).encode() + b"\n" for e in events))

    # ---- changing ----

    def change(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.fault("before", body):
            return
        part = urllib.parse.urlsplit(self.path).path.strip("/").split("/")
        resource, name, sub = self.place(part)
        with self.store.changed:
            code, value = getattr(self, f"_{self.command.lower()}")(resource, name, sub, json.loads(body or b"{}"))
        if self.fault("after", body):
            return
        if code >= 400:
            self.fail(code, value, f'{resource} "{name}": {value}')
        else:
            self.reply(value, code)

    do_POST = do_PUT = do_PATCH = do_DELETE = change

    def _post(self, resource, _name, _sub, o):
        made = self.store.create(resource, o)
        return (201, made) if made else (409, "AlreadyExists")

    def _put(self, resource, name, _sub, o):
        old = self.store.objects[resource].get(name)
        if old is None:
            return 404, "NotFound"
        o["metadata"] = merged(old["metadata"], {k: v for k, v in o["metadata"].items() if k != "resourceVersion"})
        return 200, self.store.write("put", resource, merged({"kind": old["kind"], "apiVersion": old["apiVersion"]}, o), name)

    def _patch(self, resource, name, sub, patch):
        old = self.store.objects[resource].get(name)
        applied = "apply-patch" in self.headers["Content-Type"]
        if old is None and not applied:
            return 404, "NotFound"
        if old is None:
            return 201, self.store.create(resource, patch)
        if isinstance(patch, list):
            o = json.loads(json.dumps(old))
            for step in patch:
                *way, last = step["path"].strip("/").split("/")
                at = o
                for key in way:
                    at = at.setdefault(key, {})
                at[last] = step["value"]
        else:
            o = merged(old, patch)
        o["metadata"] = dict(o["metadata"])
        o = self.store.write("patch", resource, o, name)
        if sub == "scale":
            return 200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": o["metadata"], "spec": o["spec"]}
        return 200, o

    def _delete(self, resource, name, _sub, _options):
        o = self.store.objects[resource].get(name)
        if o is None:
            return 404, "NotFound"
        o = json.loads(json.dumps(o))
        self.store.write("delete", resource, o, name)
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"name": name, "uid": o["metadata"]["uid"]}}


def serve(port, directory, certificate, key):
    handler = type("Bound", (Handler,), {"store": Store(directory), "directory": directory})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads, server.handle_error, server.request_queue_size = True, lambda *a: None, 64
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("serves", flush=True)
    server.serve_forever()


class Writable:
    """One of it, as a process that keeps its port and its objects."""

    def __init__(self, directory, certificates):
        from rig.harness.procs import Process, free_port, wait_for  # pylint: disable=import-outside-toplevel
        self._process, self._wait_for = Process, wait_for
        self.dir, self.certificates = pathlib.Path(directory), certificates
        self.dir.mkdir(parents=True)
        self.port, self.process = free_port(), None
        self.kubeconfig = self.dir / "kubeconfig"
        authority = base64.b64encode((certificates / "ca.crt").read_bytes()).decode()
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": authority}}],
            "users": [{"name": "u", "user": {"token": TOKEN.split()[1]}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
        self.start()
        if not (self.dir / "made").exists():
            (self.dir / "made").touch()
            for name in ("kube-system", SPACE):
                self.make("namespaces", {"metadata": {"name": name}})

    def start(self):
        log = self.dir / "log"
        log.unlink(missing_ok=True)
        self.process = self._process(["/usr/bin/python3", __file__, self.port, self.dir, self.certificates / "server.crt",
                                      self.certificates / "server.key"], log)
        self._wait_for("the API server", lambda: self.process.check() and "serves" in log.read_text(), 30)

    def make(self, resource, o):
        group, _ = KINDS[resource]
        c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30,
                                        context=ssl.create_default_context(cafile=str(self.certificates / "ca.crt")))
        space = "" if resource == "namespaces" else f"/namespaces/{SPACE}"
        c.request("POST", f"{f'/apis/{group}' if group else '/api'}/v1{space}/{resource}", json.dumps(o), {"Authorization": TOKEN})
        status = c.getresponse().status
        c.close()
        if status != 201:
            raise RuntimeError(f"{o}: {status}")

    def will(self, method, name, when, do):
        path = self.dir / "fault"
        path.with_suffix(".tmp").write_text(json.dumps({"method": method, "name": name, "when": when, "do": do}))
        path.with_suffix(".tmp").rename(path)

    def did(self):
        """The fault came to pass."""
        return not (self.dir / "fault").exists()

    def done(self, asked):
        """What was done to the object of this name: ["create", "patch", ...]."""
        entries = [json.loads(line) for line in (self.dir / "journal").read_text().splitlines()]
        return [e["verb"] for e in entries if e["asked"] == asked]

    def last(self, asked):
        """The object of this name as the last change has left it."""
        entries = [json.loads(line) for line in (self.dir / "journal").read_text().splitlines()]
        return [e["object"] for e in entries if e["asked"] == asked][-1]

    def goes_on(self):
        self.process.popen.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1]), *(pathlib.Path(a) for a in sys.argv[2:5]))
