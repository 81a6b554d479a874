# SPDX-License-Identifier: Apache-2.0
"""A real Clouddriver: the one that CLOUDDRIVER_HOME names, an unpacked package or a build of one's own with its jars
in lib/. It runs with nothing else of Spinnaker, its state in the database alone."""
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from . import paths, procs
from .agent import merge
from .procs import Process, free_port, wait_for

MAIN = "com.netflix.spinnaker.clouddriver.Main"
PLUGIN_ID = "ScaleAgent.Clouddriver"
# Old APIs of others that some builds carry along, and that are not on the class path of the official one.
LEFT_OUT = ("servlet-api-2.5", "slf4j-log4j12")


def home():
    found = os.environ.get("CLOUDDRIVER_HOME")
    if not found:
        raise paths.Missing("CLOUDDRIVER_HOME names no Clouddriver (an unpacked package, with its jars in lib/)")
    if not list(pathlib.Path(found).glob("lib/clouddriver-web*.jar")):
        raise paths.Missing(f"there is no Clouddriver in {found} (CLOUDDRIVER_HOME): no lib/clouddriver-web*.jar")
    return pathlib.Path(found)


def plugin_zip():
    found = sorted((paths.ROOT / "plugin/scale-agent-plugin/target").glob("scale-agent-plugin-*.zip"))
    if os.environ.get("SCALE_AGENT_PLUGIN"):
        found = [pathlib.Path(os.environ["SCALE_AGENT_PLUGIN"])]
    if not found:
        raise paths.Missing("the plugin is not built (mvn -f plugin package)")
    return found[-1]


def java():
    found = shutil.which("java")
    if found is None:
        raise paths.Missing("there is no java (Debian's package openjdk-17-jre-headless)")
    return found


def jars():
    """The jars of Clouddriver, in the order of its own start script."""
    return sorted(str(j) for j in (home() / "lib").glob("*.jar") if not j.name.startswith(LEFT_OUT))


def dialect(database):
    """What a pool's settings have to say of MariaDB: jOOQ's default, MYSQL, is MySQL 8.0.19 or later to a jOOQ that is
    newer than 3.14 (Spring Boot 3), and what Clouddriver inserts by it is nothing that MariaDB understands."""
    jooq = [tuple(map(int, re.findall(r"\d+", j.name)[:2])) for j in (home() / "lib").glob("jooq-[0-9]*.jar")]
    return {"dialect": "MARIADB"} if database.jdbc.startswith("jdbc:mysql:") and max(jooq, default=(0, 0)) > (3, 14) else {}


def cache_reads(db, first, second):
    """(how much was compared, what differs) of two accounts of one cluster, as Clouddriver's ProviderCache reads them
    with every cache filter (tests/rig/cachereads)."""
    r = subprocess.run([java(), "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", ":".join(jars()),
                        paths.ROOT / "tests/rig/cachereads/CacheReads.java", db.jdbc, f"{db.name}_service", db.password,
                        first, second], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    last = re.search(r"compared=(\d+) differences=(\d+)\n$", r.stdout)
    if not last:
        raise RuntimeError(f"reading through ProviderCache: {r.stderr[-2000:] or r.stdout[-2000:]}")
    said = [line[2:] for line in r.stdout.splitlines() if line.startswith("! ")]
    return int(last[1]), said + [f"{last[2]} in all"] * (int(last[2]) > len(said))


class Clouddriver:
    """One replica. Several may share a database."""

    def __init__(self, directory, database, plugin=True, config=None, java_options=()):
        """plugin: whether ours is in its plugin folder. config: settings, merged over those here."""
        self.java = java()
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.grpc_port = free_port()
        self.java_options = [*shlex.split(os.environ.get("CLOUDDRIVER_JAVA_OPTS", "")), *java_options]
        plugins = self.dir / "plugins"
        shutil.rmtree(plugins, ignore_errors=True)
        plugins.mkdir()
        if plugin:
            shutil.copy(plugin_zip(), plugins)
        self.config = self.dir / "clouddriver.yml"
        self.config.write_text(json.dumps(merge(self._settings(database, plugins, plugin), config or {}), indent=1))
        self.process = None

    def _settings(self, database, plugins, plugin):
        pool = {"jdbcUrl": database.jdbc, "user": f"{database.name}_service", "password": database.password,
                **dialect(database), **getattr(database, "pools", {})}
        return {
            "server": {"port": self.port},
            "spring": {"application": {"name": "clouddriver"},
                       "jackson": {"mapper": {"SORT_PROPERTIES_ALPHABETICALLY": True},
                                   "serialization": {"ORDER_MAP_ENTRIES_BY_KEYS": True}}},
            "services": {"fiat": {"enabled": False, "baseUrl": "http://127.0.0.1:1"},
                         "front50": {"baseUrl": "http://127.0.0.1:1"}},
            "management": {"health": {"elasticsearch": {"enabled": False}},
                           "endpoints": {"web": {"exposure": {"include": "health,info,beans,env,metrics,threaddump"}}}},
            "kubernetes": {"enabled": True, "accounts": []},
            "redis": {"enabled": False, "cache": {"enabled": False}, "scheduler": {"enabled": False},
                      "taskRepository": {"enabled": False}},
            "sql": {"enabled": True, "taskRepository": {"enabled": True},
                    "cache": {"enabled": True, "readBatchSize": 500, "writeBatchSize": 300},
                    "scheduler": {"enabled": True},
                    "connectionPools": {"default": {"default": True, **pool}, "tasks": dict(pool)},
                    "migration": {**pool, "user": f"{database.name}_migrate"}},
            "default": {"legacyServerPort": -1, "account": {"env": "default"}},
            "operations": {"security": {"onMissingSecuredCheck": "WARN", "onMissingValidator": "WARN"}},
            "resilience4j": {"retry": {"instances": {
                name: {"maxRetryAttempts": 5, "waitDuration": "100ms", "enableExponentialBackoff": False}
                for name in ("sqlTransaction", "sqlRead")}}},
            "spinnaker": {"extensibility": {"enable-default-repositories": False, "plugins-root-path": str(plugins),
                                            "repositories": {},
                                            "plugins": {PLUGIN_ID: {"enabled": True}} if plugin else {}}},
            "kubesvc": {"grpc": {"server": {"address": "127.0.0.1", "port": self.grpc_port}}},
        }

    @property
    def grpc(self):
        return f"127.0.0.1:{self.grpc_port}"

    def launch(self, *more_options):
        """Starts it, with more options of the JVM, and does not wait."""
        self.process = Process([self.java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx1g",
                                self._class_archive(jars()), *self.java_options, *more_options,
                                f"-Dspring.config.additional-location=file:{self.config}", "-cp", ":".join(jars()), MAIN],
                               self.dir / "clouddriver.log", "clouddriver", cwd=self.dir)
        return self

    def _class_archive(self, class_path):
        """An archive of loaded classes halves the time of a start: used if there is one, else left by the first
        orderly end. The JVM checks that it fits, and goes on without if not."""
        name = hashlib.sha256("\n".join([os.path.realpath(self.java), *class_path]).encode()).hexdigest()[:16]
        self.archive = paths.CACHE / f"clouddriver-{name}.jsa"
        if self.archive.exists():
            return f"-XX:SharedArchiveFile={self.archive}"
        return f"-XX:ArchiveClassesAtExit={self.dir / 'classes.jsa'}"

    def _keep_archive(self):
        made = self.dir / "classes.jsa"
        if made.exists() and not self.archive.exists():
            self.archive.parent.mkdir(parents=True, exist_ok=True)
            part = self.archive.with_suffix(f".{os.getpid()}")
            shutil.move(made, part)
            part.rename(self.archive)

    def start(self, seconds=600):
        self.launch()
        self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds=600):
        wait_for("Clouddriver", self.ready, seconds, 0.25)

    def ready(self):
        self.process.check()
        try:
            self.get("/credentials")
            return True
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None, timeout=30):
        """(status, JSON or text) of a request."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as r:
                status, text = r.status, r.read()
        except urllib.error.HTTPError as e:
            status, text = e.code, e.read()
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text.decode(errors="replace")

    def get(self, path, **query):
        """The JSON of a GET; OSError if that fails."""
        status, value = self.ask("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))
        if status != 200:
            raise OSError(f"GET {path}: {status}: {value}")
        return value

    def accounts(self):
        return {c["name"]: c for c in self.get("/credentials")}

    def stop(self):
        if self.process is not None:
            if self.process.stop(seconds=90) != -signal.SIGKILL:
                self._keep_archive()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process = None

    def running(self):
        """Started, and not ended."""
        return self.process is not None and self.process.running()

    def stopped(self):
        """It stands still by SIGSTOP."""
        fields = procs.stat(self.process.pid) if self.process else None
        return fields is not None and fields[0] in "Tt"

    def cont(self):
        self.process.popen.send_signal(signal.SIGCONT)
