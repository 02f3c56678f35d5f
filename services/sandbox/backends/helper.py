"""Speaks to the helper inside a sandbox: many calls over one byte stream, with credit for the output of commands."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends import frames, guest_answers
from services.sandbox.backends.calls import Answer, Calls
from services.sandbox.backends.guest_files import HelperFiles
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.errors import ATTACKS, BY_REASON, CheckpointFailed, GuestLost, HelperFailed
from services.sandbox.domain.lifecycle import Look, PackedWork, Restored
from services.sandbox.domain.models import (
    CommandOrder,
    Edited,
    EditOrder,
    FileRange,
    Frame,
    Output,
    Snapshot,
)
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Attachment

CALL_SECONDS = 300.0
HELLO_SECONDS = 20.0
STOP_SECONDS = 10.0
END_SECONDS = 8.0
LOOK_SECONDS = 10.0
CHECKPOINT_SECONDS = 600.0
log = get_logger(__name__)
# What the service asks on its own account: no use of the sandbox.
OWN = frozenset({"hello", "end", "look", "checkpoint", "checkpoint_read", "checkpoint_drop"})


class Helper:
    """A guest (see ports). One task reads; each call has a queue, and counts as a use of the sandbox while it has."""

    def __init__(self, attachment: Attachment, uses: Uses, sandbox_id: str) -> None:
        self._attachment = attachment
        self._uses = uses
        self._sandbox_id = sandbox_id
        self._calls = Calls(lambda: uses.leave(sandbox_id))
        self._last = 0
        self._write_lock = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()
        self.files = HelperFiles(self)

    async def greet(self) -> dict[str, Any]:
        """Begins to listen; what the helper says of itself. Raises GuestLost."""
        self._reader = asyncio.create_task(self._read())
        greeting, _ = await self._call({"op": "hello"}, seconds=HELLO_SECONDS)
        return greeting

    async def close(self) -> None:
        """Lets go of the helper; it goes on, with all that runs."""
        self.lost.set()
        await self._attachment.close()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def end(self, if_idle: bool = False) -> bool:
        """Ends the helper and what runs, or only if nothing does; whether it has ended in good order."""
        try:
            await self._call({"op": "end", "if_idle": if_idle}, seconds=END_SECONDS)
        except GuestLost:
            return self.lost.is_set()
        except LucidError:
            return False
        return False

    async def run(self, order: CommandOrder) -> AsyncGenerator[Frame, None]:
        """See ports.Guest."""
        request = {
            "op": "run",
            "id": order.command_id,
            "command": order.command,
            "timeout": order.timeout,
            "cwd": order.cwd,
            "from": order.from_offset,
            "attach_only": order.attach_only,
            "epoch": order.epoch,
        }
        stream, queue = await self._open(request)
        finished = False
        try:
            while True:
                kind, payload = await self._next(queue)
                if kind == frames.NOTE:
                    fields, _ = frames.unpack(payload)
                    yield guest_answers.note_of(fields)
                elif kind == frames.DATA:
                    (offset,) = frames.OFFSET.unpack_from(payload)
                    data = payload[frames.OFFSET.size :]
                    yield Output(offset, data)
                    await self._send(frames.frame(stream, frames.CREDIT, frames.SIZE.pack(len(data))))
                else:
                    finished = True
                    self._calls.pop(stream)  # now: who has the end need not come back for more
                    yield guest_answers.exit_of(*_answer(kind, payload))
                    return
        finally:
            self._calls.pop(stream)
            if not finished and not self.lost.is_set():
                with contextlib.suppress(GuestLost):
                    await self._send(frames.frame(stream, frames.CANCEL))

    async def stop(self, command_id: str) -> int:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "stop", "id": command_id}, seconds=STOP_SECONDS)
        return int(fields["ended"])

    async def note_blocked(self, connection: int, call: BlockedCall) -> None:
        """Tells the command that has made the connection. Nothing where the helper is gone or knows no such thing."""
        record = {"host": call.host, "port": call.port, "reason": call.reason.value}
        with contextlib.suppress(LucidError):
            await self._call({"op": "blocked", "connection": connection, "call": record}, seconds=HELLO_SECONDS)

    async def read_file(self, path: str, offset: int, limit: int) -> FileRange:
        """See ports.Guest."""
        fields, data = await self._call({"op": "read", "path": path, "offset": offset, "limit": limit})
        return FileRange(data=data, size=fields["size"], etag=fields["etag"])

    async def edit_file(self, order: EditOrder) -> Edited:
        """See ports.Guest."""
        fields, _ = await self._call(*guest_answers.edit_request(order))
        return guest_answers.edited_of(fields)

    async def snapshot(self, path: str, since_tree: str, epoch: int) -> Snapshot:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "snapshot", "path": path, "since": since_tree, "epoch": epoch})
        return guest_answers.snapshot_of(fields)

    async def look(self) -> Look:
        """What is at work inside. Raises GuestLost, and HelperFailed for a helper of before that cannot tell."""
        fields, _ = await self._call({"op": "look"}, seconds=LOOK_SECONDS)
        return Look(tuple(fields["reasons"]), int(fields["processes"]), int(fields["ticks"]))

    async def checkpoint(self, key: str, limit: int) -> PackedWork:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "checkpoint", "id": key, "limit": limit}, seconds=CHECKPOINT_SECONDS)
        return guest_answers.packed_of(fields)

    async def read_checkpoint(self, key: str, size: int) -> AsyncGenerator[bytes, None]:
        """See ports.Guest."""
        offset = 0
        while offset < size:
            _, data = await self._call({"op": "checkpoint_read", "id": key, "offset": offset})
            if not data:
                raise CheckpointFailed
            offset += len(data)
            yield data

    async def drop_checkpoint(self, key: str) -> None:
        """See ports.Guest."""
        await self._call({"op": "checkpoint_drop", "id": key})

    async def restore(self, key: str, epoch: int, parts: AsyncIterator[bytes]) -> Restored:
        """See ports.Guest."""
        offset = 0
        async for part in parts:
            await self._call({"op": "restore_write", "offset": offset}, part)
            offset += len(part)
        fields, _ = await self._call({"op": "restore", "id": key, "epoch": epoch}, seconds=CHECKPOINT_SECONDS)
        return guest_answers.restored_of(fields)

    async def call(self, request: dict[str, Any], blob: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """See guest_files.Line."""
        return await self._call(request, blob)

    async def parts(self, request: dict[str, Any]) -> AsyncGenerator[tuple[dict[str, Any], bytes], None]:
        """See guest_files.Line. The last part is the answer that ends it."""
        stream, queue = await self._open(request)
        finished = False
        try:
            while not finished:
                kind, payload = await self._next(queue)
                finished = kind != frames.NOTE
                yield _answer(kind, payload)
                if not finished:
                    await self._send(frames.frame(stream, frames.CREDIT, frames.SIZE.pack(len(payload))))
        finally:
            self._calls.pop(stream)
            if not finished and not self.lost.is_set():
                with contextlib.suppress(GuestLost):
                    await self._send(frames.frame(stream, frames.CANCEL))

    async def _call(
        self, request: dict[str, Any], blob: bytes = b"", seconds: float = CALL_SECONDS
    ) -> tuple[dict[str, Any], bytes]:
        stream, queue = await self._open(request, blob)
        try:
            async with asyncio.timeout(seconds):
                return _answer(*await self._next(queue))
        except TimeoutError:
            await self.close()  # it is greeted anew, and replaced if it does not answer to that either
            raise GuestLost("The sandbox does not answer.") from None
        finally:
            self._calls.pop(stream)

    async def _open(self, request: dict[str, Any], blob: bytes = b"") -> tuple[int, asyncio.Queue[Answer | None]]:
        is_use = request["op"] not in OWN
        if is_use:
            await self._uses.hold(self._sandbox_id)
        self._last += 1
        stream = self._last
        queue = self._calls.open(stream, is_use)
        try:
            if self.lost.is_set():
                raise GuestLost
            await self._send(frames.frame(stream, frames.REQUEST, frames.pack(request, blob)))
        except BaseException:
            self._calls.pop(stream)
            raise
        return stream, queue

    async def _send(self, data: bytes) -> None:
        async with self._write_lock:
            await self._attachment.write(data)

    async def _next(self, queue: asyncio.Queue[Answer | None]) -> Answer:
        answer = await queue.get()
        if answer is None:
            raise GuestLost
        return answer

    async def _read(self) -> None:
        parser = frames.Parser()
        try:
            while data := await self._attachment.read():
                for stream, kind, payload in parser.feed(data):
                    queue = self._calls.get(stream)
                    if queue is not None:
                        queue.put_nowait((kind, payload))
        except (OSError, ValueError, GuestLost) as error:
            log.warning("sandbox stream broke", extra={"error": repr(error)})
        finally:
            self.lost.set()
            for queue in self._calls.values():
                queue.put_nowait(None)


def _answer(kind: int, payload: bytes) -> tuple[dict[str, Any], bytes]:
    fields, blob = frames.unpack(payload)
    if kind == frames.ERROR:
        if trace := fields.get("trace"):
            log.error("sandbox helper failed", extra={"trace": str(trace)[-2000:]})
        refusal: type[LucidError] = BY_REASON.get(str(fields.get("reason")), HelperFailed)
        if refusal in ATTACKS:
            log.warning("a file call was refused", extra={"reason": refusal.reason, "cause": fields.get("message")})
        raise refusal(str(fields.get("message", "")))
    return fields, blob
