# SPDX-License-Identifier: Apache-2.0
"""One agent's stream, by the rules of proto/PROTOCOL.md. What breaks them is a violation: it is noted, the
account is refused, and the peer ends with status 1."""
import json
import time

from store import Row
from wire import MESSAGE_MAX, SCOPES_MAX, pb


class Violation(Exception):
    pass


def require(good, text, *values):
    if not good:
        raise Violation(text.format(*values))


class Epoch:
    """What lasts as long as an epoch: sequence, credit, the worker's numbers of scopes, snapshots, parts."""

    def __init__(self, number, window):
        self.number = number
        self.sequence = 0
        self.acked = 0
        self.used, self.granted = 0, window
        self.window = window
        self.scopes = None   # {id: Scope}
        self.listing = None  # pb.Scope of the list's parts, until the last has come
        self.vouched = set()  # ids of scopes that are in step, or resume from a checkpoint
        self.untouched = set()  # ids of scopes of which nothing was sent: Welcome's sums still hold
        self.resumable = set()  # names of scopes that Welcome gave a checkpoint for
        self.snapshots = {}  # id: [number, pages so far, names and keys written since the begin]
        self.numbers = {}    # id: the highest snapshot that began
        self.part = None     # (delta of the first part, bytearray, sequence before it)


class SessionAccount:
    """An account as this stream knows it."""

    def __init__(self, session, handle, name):
        self.session = session
        self.handle, self.name = handle, name
        self.epoch = None
        self.standby = None  # the number of the epoch in which another agent has it
        self.cluster, self.instance = "", b""  # by AccountOpen
        self.stored = None


class Session:
    def __init__(self, peer):
        self.peer = peer
        self.store = peer.store
        self.agent = None
        self.accounts = {}  # handle: SessionAccount
        self.handles = {}   # handle: name, of all that were ever named on this stream
        self.out = []       # PluginMessages to be sent
        self.due = set()    # handles with something to acknowledge
        self.heard = time.monotonic()

    # ---- messages of the agent ----

    def take(self, m):
        """Handles an AgentMessage; the replies are in self.out."""
        body = m.WhichOneof("body")
        self.heard = time.monotonic()
        for account in self.accounts.values():
            if account.epoch and account.stored.owner is not account:
                self._fenced(account)
        try:
            if body == "hello":
                require(self.agent is None, "Hello came twice")
                require(len(m.hello.instance) == 16 and m.hello.agent_id, "Hello lacks its id or instance")
                self.agent = m.hello
                self.peer.take_over(self)
                self.out.append(pb.PluginMessage(hello=pb.HelloAnswer(
                    protocol=self.peer.options.protocol, plugin_version="peer", clouddriver_id="test",
                    heartbeat_seconds=self.peer.options.heartbeat)))
                return
            require(self.agent is not None, "{} came before Hello", body)
            if body == "accounts":
                self._accounts(m.accounts)
            elif body == "heartbeat":
                if not m.heartbeat.reply:
                    self.out.append(pb.PluginMessage(heartbeat=pb.Heartbeat(nonce=m.heartbeat.nonce, reply=True)))
            elif body == "account_gone":
                account = self.accounts.get(m.account)
                require(m.account in self.handles, "AccountGone of handle {}, which was never named", m.account)
                if account:
                    self._end_epoch(account)
                    self.peer.operations.gone(account)
            elif body == "account_message":
                require(m.account in self.handles, "handle {} was never named", m.account)
                if m.account in self.accounts:
                    self._account_message(self.accounts[m.account], m.account_message)
            elif body == "operation_result":
                require(m.account in self.handles, "handle {} was never named", m.account)
                if m.account in self.accounts:
                    self.peer.operations.result(self.accounts[m.account], m.operation_result, require)
        except Violation as v:
            self.peer.violation(f"agent: {v}")
            self.out.append(pb.PluginMessage(goodbye=pb.Goodbye(code=pb.Goodbye.VIOLATION, reason=str(v))))

    def _accounts(self, m):
        names = {}
        for a in m.accounts:
            require(a.handle > 0 and a.name, "an account has no handle or no name")
            require(a.handle not in names and a.name not in names.values(), "account {} is named twice", a.name)
            require(self.handles.setdefault(a.handle, a.name) == a.name, "handle {} is used again", a.handle)
            names[a.handle] = a.name
        for handle in set(self.accounts) - set(names):
            self._end_epoch(self.accounts.pop(handle))
        for handle, name in names.items():
            self.accounts.setdefault(handle, SessionAccount(self, handle, name))
        for a in [a for a in self.store.accounts.values() if a.agent == self.agent.agent_id and a.name not in names.values()]:
            self.store.drop_account(a)
        self.peer.changed()

    def _end_epoch(self, account, hand_over=True):
        account.epoch = account.standby = None
        stored = account.stored
        if stored and account in stored.waiting:
            stored.waiting.remove(account)
        if stored and stored.owner is account:
            stored.owner = None
            if hand_over:
                self._hand_over(stored)

    @staticmethod
    def _hand_over(stored):
        """To the agent that has waited longest."""
        if stored.waiting:
            account = stored.waiting.pop(0)
            account.session._assign(account)
            account.session.peer.answer(account.session)

    def lapse(self):
        """The lease is over: what others wait for is theirs."""
        for account in self.accounts.values():
            if account.epoch and account.stored.owner is account and account.stored.waiting:
                account.stored.owner = None
                self._hand_over(account.stored)

    def leave(self, hand_over=True):
        for account in self.accounts.values():
            self._end_epoch(account, hand_over)

    def _fenced(self, account):
        self._reply(account, refusal=pb.Refusal(code=pb.Refusal.FENCED, reason="another agent has the account"))
        self._end_epoch(account)

    def _account_message(self, account, data):
        count = self.peer.counter(account.name)
        count["bytes"] += len(data)
        count["messages"] += 1
        try:
            m = pb.AccountMessage.FromString(data)
        except Exception:
            self._refuse(account, "what came is no AccountMessage")
            return
        body = m.WhichOneof("body")
        count[body or "unknown"] = count.get(body or "unknown", 0) + 1
        try:
            if body == "open":
                require(m.epoch == 0, "AccountOpen names epoch {}", m.epoch)
                self._open(account, m.open)
                return
            require(account.standby is None or m.epoch != account.standby, "{} on standby", body)
            if 0 < m.epoch <= self.store.last_epoch and (account.epoch is None or m.epoch != account.epoch.number):
                return  # sent before its sender knew that the epoch is over, perhaps on the stream before
            require(account.epoch is not None and m.epoch == account.epoch.number, "{} of epoch {}, which was never given",
                    body, m.epoch)
            self._in_epoch(account, account.epoch, body, getattr(m, body), len(data), count)
        except Violation as v:
            self._refuse(account, f"{body}: {v}")

    def _refuse(self, account, reason):
        self.peer.violation(f"account {account.name}: {reason}")
        self._reply(account, refusal=pb.Refusal(code=pb.Refusal.VIOLATION, reason=reason))
        self._end_epoch(account)

    def _reply(self, account, epoch=0, **body):
        reply = pb.AccountReply(epoch=account.epoch.number if account.epoch else epoch, **body)
        self.out.append(pb.PluginMessage(account=account.handle, account_reply=reply.SerializeToString()))

    # ---- messages of a worker ----

    def _open(self, account, m):
        require(len(m.instance) in (0, 16), "AccountOpen has an instance of {} bytes", len(m.instance))
        account.cluster, account.instance = m.cluster_id, m.instance
        stored = self.store.accounts.get(account.name)
        keeper = stored and stored.owner and stored.owner.session.agent.agent_id
        if not keeper or keeper == self.agent.agent_id:
            self._assign(account)
        elif stored.cluster and m.cluster_id and stored.cluster != m.cluster_id:
            self._end_epoch(account)
            self._reply(account, refusal=pb.Refusal(
                code=pb.Refusal.NAME_IN_USE, reason=f"agent {keeper} has brought cluster {stored.cluster} by this name"))
        else:
            self._stand_by(account, stored)

    def _stand_by(self, account, stored):
        account.stored, account.epoch = stored, None
        account.standby = self.store.next_epoch()
        if account not in stored.waiting:
            stored.waiting.append(account)
        self._reply(account, account.standby, welcome=pb.Welcome(role=pb.Welcome.STANDBY))

    def _assign(self, account):
        number = self.store.next_epoch()
        stored = self.store.account(account.name, self.agent.agent_id, account.cluster)
        stored.owner = account
        account.stored, account.standby = stored, None
        account.epoch = e = Epoch(number, self.peer.options.credit)
        known = []
        for s in stored.scopes.values():
            if s.checkpoint:
                e.resumable.add(s.name)
            age = max(0, int((time.time() - s.checkpoint_time) * 1000)) if s.checkpoint else 0
            known.append(pb.KnownScope(
                name=pb.ScopeName(group=s.name[0], resource=s.name[1], namespace=s.name[2]), resource_version=s.checkpoint,
                age_ms=age, count=len(s.rows), sum=s.sum_bytes(), kind=s.kind, version=s.version, namespaced=s.namespaced,
                fingerprint=s.fingerprint))
        for part, more in self._parts(known):
            self._reply(account, welcome=pb.Welcome(role=pb.Welcome.CACHING, scopes=part, credit=e.granted, more=more))
        self.peer.changed()

    def _parts(self, known):
        """(some of them, are there more?) until there are none."""
        part, size = [], 0
        for k in known:
            if part and size + k.ByteSize() > self.peer.options.part:
                yield part, True
                part, size = [], 0
            part.append(k)
            size += k.ByteSize()
        yield part, False

    def _in_epoch(self, account, e, body, m, size, count):
        require(size <= MESSAGE_MAX, "{} bytes are more than {}", size, MESSAGE_MAX)
        require(e.listing is None or body == "scopes", "came amid the list of scopes")
        if body in ("deltas", "page"):
            e.used += size
            require(e.used <= e.granted, "{} bytes were sent where {} were granted", e.used, e.granted)
            self.due.add(account.handle)
        require(e.scopes is not None or body == "scopes", "came before Scopes")
        getattr(self, "_" + body)(account, e, m, count)
        self.peer.changed()

    def _find(self, e, scope_id):
        require(scope_id in e.scopes, "scope {} was not named", scope_id)
        return e.scopes[scope_id]

    def _scopes(self, account, e, m, _count):
        listed = (e.listing or []) + list(m.scopes)
        require(len(listed) <= SCOPES_MAX, "{} scopes are more than {}", len(listed), SCOPES_MAX)
        require(m.scopes or not m.more, "a part of the list of scopes is empty")
        e.listing = listed if m.more else None
        if m.more:
            return
        before, now = e.scopes or {}, {}
        names = set()
        for s in listed:
            name = (s.name.group, s.name.resource, s.name.namespace)
            require(s.id > 0 and s.name.resource and s.kind and s.version, "scope {} lacks something", name)
            require(s.id not in now and name not in names, "scope {} is named twice", name)
            require(s.id not in before or before[s.id].name == name, "scope id {} was {}", s.id, before.get(s.id))
            names.add(name)
            now[s.id] = self.store.scope(account.stored, name, s.version, s.kind, s.namespaced)
            if name in e.resumable:
                e.vouched.add(s.id)
            if s.id not in before:
                e.untouched.add(s.id)
        for name in set(account.stored.scopes) - names:
            self.store.drop_scope(account.stored, account.stored.scopes[name])
        e.scopes = now
        if e.part and e.part[0].scope not in now:
            e.part = None  # the object went with its scope

    def _sums(self, account, e, m, _count):
        s = self._find(e, m.scope)
        require(len(m.sum) == 16, "a sum of {} bytes", len(m.sum))
        in_step = m.count == len(s.rows) and m.sum == s.sum_bytes()
        if in_step:
            e.vouched.add(m.scope)
        else:
            e.vouched.discard(m.scope)
        self._reply(account, sums=pb.SumsAnswer(scope=m.scope, in_step=in_step))

    def _begin(self, _account, e, m, _count):
        self._find(e, m.scope)
        require(m.snapshot > e.numbers.get(m.scope, 0), "snapshot {} after {}", m.snapshot, e.numbers.get(m.scope))
        self.store.point("before-begin")
        e.numbers[m.scope] = m.snapshot
        e.snapshots[m.scope] = [m.snapshot, 0, set()]
        self.store.point("after-begin")

    def _page(self, account, e, m, count):
        s = self._find(e, m.scope)
        snapshot = e.snapshots.get(m.scope)
        require(snapshot and snapshot[0] == m.snapshot, "a page of snapshot {}, which did not begin", m.snapshot)
        require(snapshot[1] == m.page, "page {} where {} was next", m.page, snapshot[1])
        self.store.point("before-page")
        count["keys"] += len(m.entries)
        snapshot[1] += 1
        wants = []
        for i, entry in enumerate(m.entries):
            require(len(entry.digest) in (0, 16), "a digest of {} bytes", len(entry.digest))
            row = s.rows.get((entry.namespace, entry.name))
            snapshot[2].add((entry.namespace, entry.name))
            if entry.digest and (row is None or row.digest != entry.digest):
                wants.append(i)
        count["wants"] += len(wants)
        self._reply(account, wants=pb.Wants(scope=m.scope, snapshot=m.snapshot, page=m.page, index=wants))
        self.store.point("after-page")

    def _end(self, account, e, m, count):
        s = self._find(e, m.scope)
        snapshot = e.snapshots.pop(m.scope, None)
        require(snapshot and snapshot[0] == m.snapshot, "the end of snapshot {}, which did not begin", m.snapshot)
        require(snapshot[1] == m.pages, "{} pages were sent, {} came", m.pages, snapshot[1])
        self.store.point("before-end")
        ghosts = [key for key in s.rows if key not in snapshot[2]]
        for key in ghosts:
            self.store.delete(s, key)
        count["ghosts"] += len(ghosts)
        self._reply(account, done=pb.SnapshotDone(scope=m.scope, snapshot=m.snapshot, complete=True, deleted=len(ghosts)))
        self.store.point("after-end")

    def _deltas(self, account, e, m, count):
        require(m.first_sequence == e.sequence + 1, "deltas begin at {}, after {}", m.first_sequence, e.sequence)
        require(len(m.deltas) > 0, "no delta is in it")
        self.peer.wrote(account.name, self.agent.agent_id, e.number, len(m.deltas))
        for d in m.deltas:
            e.sequence += 1
            e.untouched.discard(d.scope)
            self._delta(e, self._find(e, d.scope), d, count)

    def _delta(self, e, s, d, count):
        key = (d.namespace, d.name)
        count["deltas"] += 1
        require(d.name, "a delta has no name")
        require(not s.name[2] or d.namespace == s.name[2], "{} is outside namespace {}", key, s.name[2])
        if d.deleted:
            require(e.part is None, "a delete came between the parts of an object")
            require(not d.object and not d.digest, "a delete has a body")
            count["deletes"] += 1
            self.store.delete(s, key)
            return
        body = self._whole(e, d)
        if body is None:
            require(not d.digest, "a part that is not the last has a digest")
            return
        require(len(d.digest) == 16, "a digest of {} bytes", len(d.digest))
        try:
            meta = json.loads(body)["metadata"]
        except Exception:
            raise Violation(f"{key}: the object is no JSON, or has no metadata") from None
        require((meta.get("namespace", ""), meta.get("name")) == key, "{}: the object says {}", key, meta.get("name"))
        require(meta.get("uid") == d.uid, "{}: the object says uid {}", key, meta.get("uid"))
        require("managedFields" not in meta, "{}: managedFields left the cluster", key)
        count["objects"] += 1
        self.store.put(s, key, Row(d.digest, d.uid, d.resource_version, body))
        if d.scope in e.snapshots:
            e.snapshots[d.scope][2].add(key)

    def _whole(self, e, d):
        """The object, once all of its parts are there."""
        if d.object_size == 0:
            require(e.part is None, "another delta came between the parts of an object")
            return bytes(d.object)
        if e.part is None:
            require(d.object_offset == 0, "an object starts at byte {}", d.object_offset)
            e.part = (d, bytearray(), e.sequence - 1)
        first, body, _ = e.part
        require((first.scope, first.namespace, first.name, first.object_size) == (d.scope, d.namespace, d.name, d.object_size)
                and d.object_offset == len(body) and d.object, "a part does not fit to those before it")
        body += d.object
        require(len(body) <= d.object_size, "the parts are longer than the object")
        if len(body) < d.object_size:
            return None
        e.part = None
        return bytes(body)

    def _checkpoint(self, _account, e, m, _count):
        s = self._find(e, m.scope)
        if not m.resource_version:
            require(not m.fingerprint, "nothing has a fingerprint")
            self.store.checkpoint(s, "", b"")
            if s.name in e.resumable:  # it was not resumed from
                e.resumable.discard(s.name)
                e.vouched.discard(m.scope)
            return
        require(1 <= len(m.fingerprint) <= 64, "a fingerprint of {} bytes", len(m.fingerprint))
        require(not s.checkpoint or s.fingerprint == m.fingerprint,
                "the checkpoint of {} is of other settings than the one before, which was not taken back", s.name)
        require(m.scope not in e.snapshots, "a checkpoint amid a snapshot")
        require(e.part is None or e.part[0].scope != m.scope, "a checkpoint amid an object")
        # The worker itself may have compared its sums with Welcome's, as long as neither side has moved since.
        require(m.scope in e.vouched or m.scope in e.untouched, "a checkpoint of {}, which is not known to be in step", s.name)
        self.store.checkpoint(s, m.resource_version, m.fingerprint)

    # ---- after a commit ----

    def acknowledge(self):
        for handle in self.due:
            account = self.accounts.get(handle)
            if not account or not account.epoch:
                continue
            e = account.epoch
            sequence = e.part[2] if e.part else e.sequence
            credit = e.used + e.window
            if (sequence, credit) != (e.acked, e.granted):
                self.store.point("before-ack")
                e.acked, e.granted = sequence, credit
                self._reply(account, ack=pb.Ack(sequence=sequence, credit=credit))
                self.store.point("after-ack")
        self.due.clear()
