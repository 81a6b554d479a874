# SPDX-License-Identifier: Apache-2.0
"""Operations: asked for at a local socket, passed to the agent that has the account, answered when what they changed
is committed.

A frame to the socket: length of the rest (4 bytes, big-endian), 1 for an Operation, 2 for an OperationCancel or 3 for
an Operation that was sent before (Operation.instance becomes that of the worker that it was sent to), length of the
account's name (1 byte), the name, the message. A frame from it: length (4 bytes), an OperationResult."""
import asyncio
import struct

from wire import pb

OPERATION, CANCEL, AGAIN = 1, 2, 3
READS = ("get", "list", "events", "logs", "top")


class Asked:
    """An operation under way."""

    def __init__(self, write, account, operation):
        self.write, self.account, self.operation = write, account, operation
        self.reads = operation.WhichOneof("body") in READS or (
            operation.rollout.verb == pb.RolloutOperation.HISTORY)
        self.offset = 0
        self.last = None  # the last part, which waits for a commit


class Operations:
    def __init__(self, peer):
        self.peer = peer
        self.asked = {}  # id: Asked
        self.sent_to = {}  # id: instance of the worker that it was sent to first

    async def serve(self, path):
        await asyncio.start_unix_server(self._client, path)

    async def _client(self, reader, writer):
        def write(result):
            data = result.SerializeToString()
            if not writer.is_closing():
                writer.write(struct.pack(">I", len(data)) + data)
        try:
            while True:
                size, = struct.unpack(">I", await reader.readexactly(4))
                frame = await reader.readexactly(size)
                name = frame[2:2 + frame[1]].decode()
                self._ask(write, frame[0], name, frame[2 + frame[1]:])
        except asyncio.IncompleteReadError:
            writer.close()

    def _ask(self, write, what, name, data):
        account = self._holder(name)
        if what == CANCEL:
            if account:
                self._send(account, operation_cancel=data)
            return
        operation = pb.Operation.FromString(data)
        if account is None:
            write(pb.OperationResult(id=operation.id, code=pb.OperationResult.UNAVAILABLE, last=True, retriable=True,
                                     message=f"no agent has the account {name}"))
            return
        instance = self.sent_to.setdefault(operation.id, account.instance)
        if what == AGAIN:
            operation.instance = instance
            data = operation.SerializeToString()
        self.asked[operation.id] = Asked(write, account, operation)
        self._send(account, operation=data)

    def _holder(self, name):
        """The account at the agent that has its epoch, else at any."""
        found = [a for session in self.peer.sessions for a in session.accounts.values() if a.name == name]
        return next((a for a in found if a.epoch), found[0] if found else None)

    def _send(self, account, **body):
        account.session.out.append(pb.PluginMessage(account=account.handle, **body))
        self.peer.answer(account.session)

    def result(self, account, data, require):
        """A part of a result has come from the agent."""
        r = pb.OperationResult.FromString(data)
        asked = self.asked.get(r.id)
        if asked is None or asked.account is not account:
            return  # nobody waits for it any more
        require(asked.last is None, "a part came after the last of an operation")
        require(r.offset == asked.offset, "a part at {} came where {} bytes are there", r.offset, asked.offset)
        require(r.last == (r.code != pb.OperationResult.UNSPECIFIED), "a code stands in the last part, and in no other")
        asked.offset += len(r.body)
        if not r.last:
            asked.write(r)
            return
        asked.last = r
        self.committed()

    def committed(self):
        """Answers whose changes have been committed."""
        for key, asked in list(self.asked.items()):
            if asked.last is None:
                continue
            epoch = asked.account.epoch
            if epoch and epoch.number == asked.last.epoch and epoch.acked < asked.last.sequence:
                continue
            del self.asked[key]
            asked.write(asked.last)

    def left(self, session):
        """The stream ended: what is not answered may have been done."""
        self._end(lambda asked: asked.account.session is session, "the stream of the agent ended before it answered")

    def gone(self, account):
        """The account's worker ended."""
        self._end(lambda asked: asked.account is account, "the account's worker ended before it answered")

    def _end(self, which, message):
        for key, asked in list(self.asked.items()):
            if which(asked):
                del self.asked[key]
                asked.write(asked.last or pb.OperationResult(
                    id=key, offset=asked.offset, last=True, retriable=True, message=message,
                    code=pb.OperationResult.UNAVAILABLE if asked.reads else pb.OperationResult.UNKNOWN_OUTCOME))
