# SPDX-License-Identifier: Apache-2.0
"""An agent by Python's grpcio that sends to a real Clouddriver whatever a test wants."""
import hashlib
import os
import pathlib
import queue
import sys
import threading

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "rig" / "peer"))
from wire import PROTOCOL, SERVICE, pb  # noqa: E402

PODS = pb.Scope(id=1, name=pb.ScopeName(resource="pods"), version="v1", kind="Pod", namespaced=True)


class Ended(Exception):
    """The stream is over: grpc's code and what was said."""

    def __init__(self, error):
        super().__init__(f"{error.code()}: {error.details()}")
        self.code = error.code()


class ForeignAgent:
    """One stream, one account with the handle 1."""

    def __init__(self, address, agent_id, account, cluster="foreign"):
        self.account, self.cluster = account, cluster
        self.epoch = self.sequence = 0
        self.goodbye = None
        self._out, self._in = queue.Queue(), queue.Queue()
        self._channel = grpc.insecure_channel(address)
        self._call = self._channel.stream_stream(
            f"/{SERVICE}/Connect", lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
            pb.PluginMessage.FromString)(iter(self._out.get, None))
        threading.Thread(target=self._receive, daemon=True).start()
        self.send(pb.AgentMessage(hello=pb.Hello(protocol=PROTOCOL, protocol_min=PROTOCOL, agent_id=agent_id,
                                                 agent_version="foreign", instance=os.urandom(16))))
        self.next("hello")
        self.send(pb.AgentMessage(accounts=pb.Accounts(accounts=[pb.AccountName(handle=1, name=account)])))

    def _receive(self):
        try:
            for m in self._call:
                self._in.put(m)
            self._in.put(EOFError("the stream has ended"))
        except grpc.RpcError as e:
            self._in.put(Ended(e))

    def send(self, message):
        """An AgentMessage, or bytes that may be none."""
        self._out.put(message)

    def say(self, epoch=None, **body):
        """An AccountMessage."""
        m = pb.AccountMessage(epoch=self.epoch if epoch is None else epoch, **body)
        self.send(pb.AgentMessage(account=1, account_message=m.SerializeToString()))

    def next(self, what, seconds=120):
        """The next message of that kind: of PluginMessage, else of AccountReply. Others are passed over; the stream's
        end and a refusal are raised, unless they are what is waited for."""
        while True:
            m = self._in.get(timeout=seconds)
            if isinstance(m, Exception):
                raise m
            kind = m.WhichOneof("body")
            if kind == "heartbeat" and not m.heartbeat.reply:
                self.send(pb.AgentMessage(heartbeat=pb.Heartbeat(nonce=m.heartbeat.nonce, reply=True)))
            if kind == "account_reply":
                m = pb.AccountReply.FromString(m.account_reply)
                kind = m.WhichOneof("body")
            if kind == what:
                return m
            if kind in ("refusal", "goodbye"):
                raise AssertionError(f"while waiting for {what}: {m}")

    def open(self, *scopes):
        """Until the account is this agent's to write, with these scopes."""
        self.say(0, open=pb.AccountOpen(instance=os.urandom(16), server="foreign:1", server_version="v1.36.0",
                                        cluster_id=self.cluster))
        m = self.next("welcome")
        assert m.welcome.role == pb.Welcome.CACHING, m
        self.epoch, self.sequence = m.epoch, 0
        self.say(scopes=pb.Scopes(scopes=scopes or [PODS]))
        return self

    def put(self, name, body, namespace="default", scope=1):
        """An object of that name and these bytes; the sequence of its delta."""
        return self.deltas(pb.Delta(scope=scope, namespace=namespace, name=name, uid=f"uid of {name}", resource_version="1",
                                    digest=hashlib.blake2b(body, digest_size=16).digest(), object=body))

    def put_large(self, name, body, part=192 << 10):
        """The same, in parts where it is large."""
        if len(body) <= part:
            return self.put(name, body)
        digest = hashlib.blake2b(body, digest_size=16).digest()
        for at in range(0, len(body), part):
            last = at + part >= len(body)
            self.deltas(pb.Delta(scope=1, namespace="default", name=name, uid=f"uid of {name}", resource_version="1",
                                 object_size=len(body), object_offset=at, object=body[at:at + part],
                                 digest=digest if last else b""))
        return self.sequence

    def deltas(self, *deltas):
        self.say(deltas=pb.Deltas(first_sequence=self.sequence + 1, deltas=deltas, observed_us=1))
        self.sequence += len(deltas)
        return self.sequence

    def acked(self, sequence, seconds=120):
        """Until what was sent up to there is committed."""
        while self.next("ack", seconds).ack.sequence < sequence:
            pass

    def close(self):
        self._out.put(None)
        self._call.cancel()
        self._channel.close()
