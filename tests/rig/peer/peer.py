#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A model of the Clouddriver plugin, by Python's grpcio, to test the agent against.

It keeps what it acknowledges (in memory, or in a file), checks the protocol strictly, and ends with status 1 if
the agent broke it. Signals: USR1 writes the files of --dump and --stats anew (each appears whole), USR2 starts and
ends a stall (it reads on, but answers nothing), TERM and INT end it."""
import argparse
import asyncio
import collections
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import grpc  # noqa: E402
import grpc.aio  # noqa: E402

from operations import Operations  # noqa: E402
from session import Session  # noqa: E402
from store import Points, Store  # noqa: E402
from wire import PROTOCOL, SERVICE, pb  # noqa: E402


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any; it is printed")
    add("--db", metavar="FILE", help="keep everything here over restarts")
    add("--dump", metavar="FILE", help="on USR1: every row, a JSON object a line")
    add("--stats", metavar="FILE", help="on USR1 and at the end: what came, counted at the stream, as JSON")
    add("--operations", metavar="SOCKET", help="take operations here (operations.py)")
    add("--credit", type=int, default=1 << 20, metavar="BYTES", help="window of each account (default 1 MiB)")
    add("--part", type=int, default=192 << 10, metavar="BYTES", help="where a part of Welcome ends (default 192 KiB)")
    add("--commit-delay", type=float, default=5, metavar="MS", help="how long changes are gathered (default 5)")
    add("--ack-delay", type=float, default=0, metavar="MS", help="wait after a commit before it is acknowledged")
    add("--stall", type=float, default=0, metavar="S", help="answer nothing for the first S seconds of a stream")
    add("--kill-at", metavar="POINT:COUNT", help="die at the COUNT-th passing of before- or after- row, digest, commit, ack,"
        " begin, page, end, checkpoint")
    add("--heartbeat", type=int, default=0, metavar="S", help="heartbeat_seconds of HelloAnswer")
    add("--lease", type=float, default=0, metavar="S", help="an agent silent for so long loses what another stands by for;"
        " 0: only by its connection's end")
    add("--protocol", type=int, default=PROTOCOL, help="version that HelloAnswer names")
    add("--token", help="expect this bearer token")
    add("--tls-cert", metavar="FILE")
    add("--tls-key", metavar="FILE")
    add("--tls-ca", metavar="FILE", help="ask clients for certificates that this CA signed")
    add("--goodbye", metavar="CODE", help="answer each Hello with this Goodbye")
    return p.parse_args()


class Peer:
    def __init__(self, options):
        self.options = options
        self.store = Store(options.db, Points(options.kill_at))
        self.sessions = {}  # Session: asyncio.Event that is set when it has something to send
        self.violations = []
        self.counts = {}
        self.writes = {}  # account: [[agent, epoch, deltas], ...] in their order
        self.streams = 0
        self.stalled = False
        self.wake = asyncio.Event()
        self.operations = Operations(self)

    def counter(self, account):
        return self.counts.setdefault(account, collections.Counter(
            bytes=0, messages=0, deltas=0, objects=0, deletes=0, keys=0, wants=0, ghosts=0))

    def violation(self, text):
        print(f"violation: {text}", file=sys.stderr, flush=True)
        self.violations.append(text)

    def wrote(self, account, agent, epoch, deltas):
        runs = self.writes.setdefault(account, [])
        if not runs or runs[-1][:2] != [agent, epoch]:
            runs.append([agent, epoch, 0])
        runs[-1][2] += deltas

    def changed(self):
        self.wake.set()

    def answer(self, session):
        """It has something to send."""
        if session in self.sessions:
            self.sessions[session].set()

    def take_over(self, session):
        """An agent that is here already has come anew."""
        for other in self.sessions:
            if other is not session and other.agent and other.agent.agent_id == session.agent.agent_id:
                other.leave(hand_over=False)
                other.out.append(pb.PluginMessage(goodbye=pb.Goodbye(code=pb.Goodbye.DUPLICATE)))
                self.answer(other)

    async def lease_loop(self):
        while self.options.lease:
            await asyncio.sleep(self.options.lease / 10)
            for session in list(self.sessions):
                if time.monotonic() - session.heard > self.options.lease:
                    session.lapse()

    async def commit_loop(self):
        """Commits what has come, then acknowledges it."""
        while True:
            await self.wake.wait()
            await asyncio.sleep(self.options.commit_delay / 1000)
            self.wake.clear()
            if self.stalled:
                await asyncio.sleep(0.05)
                self.wake.set()
                continue
            self.store.commit()
            if self.options.ack_delay:
                await asyncio.sleep(self.options.ack_delay / 1000)
            for session, ready in list(self.sessions.items()):
                session.acknowledge()
                if session.out:
                    ready.set()
            self.operations.committed()

    # ---- a stream ----

    async def refuse(self, context, metadata):
        if self.options.token and metadata.get("authorization") != f"Bearer {self.options.token}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is missing or wrong: 100% sure")

    async def connect(self, requests, context):
        await self.refuse(context, dict(context.invocation_metadata()))
        session, ready = Session(self), asyncio.Event()
        self.sessions[session] = ready
        self.streams += 1
        writer = asyncio.create_task(self.write(session, ready, context))
        try:
            async for m in requests:
                session.take(m)
                if self.options.goodbye:
                    session.out = [pb.PluginMessage(goodbye=pb.Goodbye(
                        code=pb.Goodbye.Code.Value(self.options.goodbye), reason="as told", retry_after_ms=50))]
                if session.out:
                    ready.set()
                if len(self.store.accounts) and self.store.dirty:
                    self.changed()
            # Half-closed: everything that came is committed and acknowledged before the end.
            self.store.commit()
            session.acknowledge()
            for m in session.out:
                await context.write(m)
            session.out = []
        finally:
            writer.cancel()
            del self.sessions[session]
            session.leave()
            self.operations.left(session)

    async def write(self, session, ready, context):
        await asyncio.sleep(self.options.stall)
        while True:
            await ready.wait()
            ready.clear()
            while self.stalled:
                await asyncio.sleep(0.05)
            messages, session.out = session.out, []
            for m in messages:
                await context.write(m)

    # ---- files ----

    def write_file(self, path, text):
        if not path:
            return
        temporary = f"{path}.new"
        with open(temporary, "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(temporary, path)

    def dump(self):
        lines = []
        for a in self.store.accounts.values():
            for s in a.scopes.values():
                for (namespace, name), row in s.rows.items():
                    lines.append(json.dumps({
                        "account": a.name, "group": s.name[0], "resource": s.name[1], "namespace": namespace, "name": name,
                        "digest": row.digest.hex(), "object": json.loads(row.object)}) + "\n")
        self.write_file(self.options.dump, "".join(lines))
        self.stats()

    def stats(self):
        total = collections.Counter()
        for c in self.counts.values():
            total.update(c)
        for name in ("bytes", "messages", "deltas", "objects", "deletes", "keys", "wants", "ghosts"):
            total.setdefault(name, 0)
        self.write_file(self.options.stats, json.dumps(
            {**total, "streams": self.streams, "violations": self.violations, "accounts": self.counts, "writes": self.writes}))

    def toggle_stall(self):
        self.stalled = not self.stalled
        self.changed()


def credentials(o):
    def read(path):
        return pathlib.Path(path).read_bytes() if path else None
    return grpc.ssl_server_credentials([(read(o.tls_key), read(o.tls_cert))], read(o.tls_ca), o.tls_ca is not None)


async def serve(options):
    peer = Peer(options)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.stream_stream_rpc_method_handler(
        peer.connect, request_deserializer=pb.AgentMessage.FromString,
        response_serializer=pb.PluginMessage.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Connect": handler}),))
    if options.tls_cert:
        port = server.add_secure_port(options.listen, credentials(options))
    else:
        port = server.add_insecure_port(options.listen)
    if port == 0:
        raise SystemExit(f"cannot listen on {options.listen}")
    await server.start()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for s in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(s, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, peer.dump)
    loop.add_signal_handler(signal.SIGUSR2, peer.toggle_stall)
    if options.operations:
        await peer.operations.serve(options.operations)
    print(f"listening on {port}", flush=True)
    commits = asyncio.create_task(peer.commit_loop())
    leases = asyncio.create_task(peer.lease_loop())
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({commits, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if commits.done():
        commits.result()  # raises what ended it
    commits.cancel()
    leases.cancel()
    await server.stop(0.5)
    peer.store.commit()
    peer.stats()
    return 1 if peer.violations else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(parse())))
