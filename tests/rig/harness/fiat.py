# SPDX-License-Identifier: Apache-2.0
"""A real Fiat: the one that FIAT_HOME names, an unpacked package or a build of one's own with its jars in lib/, with the
Redis that it keeps its decisions in (Debian's package redis-server, or REDIS_SERVER), and a Front50 that knows nothing."""
import http.server
import json
import os
import pathlib
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request

from . import paths
from .clouddriver import java
from .procs import Process, free_port, wait_for

MAIN = "com.netflix.spinnaker.fiat.Main"


class Nothing(http.server.BaseHTTPRequestHandler):
    """What Front50 answers where there are no applications and no service accounts."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_):
        pass


class Fiat:
    def __init__(self, directory, roles):
        """roles: {user: [role]}"""
        home = pathlib.Path(os.environ.get("FIAT_HOME") or "/nonexistent")
        self.jars = sorted(str(j) for j in home.glob("lib/*.jar"))
        if not any("/fiat-web" in j for j in self.jars):
            raise paths.Missing("FIAT_HOME names no Fiat (an unpacked package, with its jars in lib/)")
        self.redis = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
        if self.redis is None:
            raise paths.Missing("there is no redis-server (Debian's package redis-server)")
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True)
        self.port, self.redis_port = free_port(), free_port()
        self.roles = self.dir / "roles.yml"
        self.roles.write_text(json.dumps({"users": [
            {"username": user, "roles": [{"name": name} for name in names]} for user, names in roles.items()]}))
        self.processes = []

    def start(self, clouddriver):
        """Beside a Clouddriver that runs."""
        self.front50 = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
        threading.Thread(target=self.front50.serve_forever, daemon=True).start()
        config = self.dir / "fiat.yml"
        config.write_text(json.dumps({
            "server": {"port": self.port},
            "redis": {"connection": f"redis://127.0.0.1:{self.redis_port}"},
            "services": {"clouddriver": {"baseUrl": f"http://127.0.0.1:{clouddriver.port}"},
                         "front50": {"baseUrl": f"http://127.0.0.1:{self.front50.server_address[1]}"},
                         "igor": {"enabled": False, "baseUrl": "http://127.0.0.1:1"}},
            "auth": {"groupMembership": {"service": "file", "file": {"path": str(self.roles)}}},
            "fiat": {"allowAccessToUnknownApplications": True, "clouddriverRefreshMs": 1000,
                     "writeMode": {"syncDelayMs": 1000, "retryIntervalMs": 1000}},
            "spinnaker": {"extensibility": {"enable-default-repositories": False, "repositories": {},
                                            "plugins-root-path": str(self.dir / "plugins")}},
        }, indent=1))
        redis = [self.redis, "--port", self.redis_port, "--bind", "127.0.0.1", "--save", "", "--dir", self.dir]
        self.processes.append(Process(redis, self.dir / "redis.log", "redis-server"))
        self.processes.append(Process(
            [java(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m",
             f"-Dspring.config.additional-location=file:{config}", "-cp", ":".join(self.jars), MAIN],
            self.dir / "fiat.log", "fiat", cwd=self.dir))
        wait_for("Fiat", self._ready, 300, 0.5)
        return self

    def _ready(self):
        for process in self.processes:
            process.check()
        try:
            return self.ask("GET", "/health")[0] in (200, 503)
        except OSError:
            return False

    def ask(self, method, path):
        """(status, JSON)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as r:
                text = r.read()
                return r.status, json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(errors="replace")

    def log_in(self, user):
        """What Gate asks for when somebody logs in. Whether Fiat knows the user now."""
        return self.ask("POST", f"/roles/{urllib.parse.quote(user)}")[0] == 200

    def accounts(self, user):
        """{account: whether READ, WRITE or both}, as Fiat decides."""
        status, found = self.ask("GET", f"/authorize/{urllib.parse.quote(user)}")
        return {a["name"]: sorted({"READ", "WRITE"} & set(a["authorizations"])) for a in found["accounts"]} if status == 200 else {}

    def stop(self):
        for process in reversed(self.processes):
            process.stop(seconds=30)
        self.processes = []
        self.front50.shutdown()
        self.front50.server_close()
