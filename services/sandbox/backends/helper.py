"""Speaks to the helper inside a sandbox: many calls over one byte stream, with credit for the output of commands."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends import frames, guest_answers
from services.sandbox.backends.calls import Answer, Calls
from services.sandbox.backends.guest_files import HelperFiles
from services.sandbox.backends.helper_checkpoints import CheckpointCalls
from services.sandbox.backends.helper_commands import CommandCalls
from services.sandbox.backends.helper_terminals import TerminalCalls
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.errors import GuestLost
from services.sandbox.domain.models import (
    DiffOrder,
    DiffPart,
    Edited,
    EditOrder,
    FileRange,
    RecordedTree,
    Restored,
    RestoreOrder,
    Snapshot,
    SnapshotOrder,
    Stats,
)
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Attachment

CALL_SECONDS = 300.0
HELLO_SECONDS = 20.0
END_SECONDS = 8.0
log = get_logger(__name__)
# What the service asks on its own account, and who only looks on while others work: no use of the sandbox.
NO_USE = {"hello", "adopt", "end", "look", "checkpoint", "checkpoint_read", "checkpoint_drop", "stats", "watch"}


class Helper(CommandCalls, TerminalCalls, CheckpointCalls):
    """A guest (see ports). One task reads; each call has a queue, and counts as a use of the sandbox while it has.

    `body`: what the sandbox goes by, also before it is somebody's.
    """

    def __init__(self, attachment: Attachment, uses: Uses, body: str) -> None:
        self._attachment = attachment
        self._uses = uses
        self._body = body
        self._calls = Calls(lambda: uses.leave(body))
        self._last = 0
        self._write_lock = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()
        self.files = HelperFiles(self)
        self.when_lost: Callable[[], None] = lambda: None

    async def greet(self) -> dict[str, Any]:
        """Begins to listen; what the helper says of itself. Raises GuestLost."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        greeting, _ = await self._call({"op": "hello"}, seconds=HELLO_SECONDS)
        return greeting

    async def adopt(self, instead_of: str, name: str, env: Mapping[str, str], epoch: int) -> None:
        """Tells a helper that was booted for nobody whose it is. Raises GuestLost, HelperFailed."""
        request = {"op": "adopt", "instead_of": instead_of, "name": name, "env": dict(env), "epoch": epoch}
        await self._call(request, seconds=HELLO_SECONDS)

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

    async def stats(self) -> Stats:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "stats"}, seconds=HELLO_SECONDS)
        return Stats(**fields)

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

    async def snapshot(self, order: SnapshotOrder) -> Snapshot:
        """See ports.Guest."""
        request = {"op": "snapshot", "path": order.path, "since": order.since_tree, "epoch": order.epoch}
        fields, _ = await self._call({**request, "base": order.base_tree, "label": order.label})
        return guest_answers.snapshot_of(fields)

    async def list_snapshots(self, path: str, size: int, before: int) -> tuple[list[RecordedTree], int]:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "snapshots", "path": path, "size": size, "before": before})
        return [guest_answers.recorded_of(entry) for entry in fields["snapshots"]], int(fields["next"])

    async def restore_snapshot(self, order: RestoreOrder) -> Restored:
        """See ports.Guest."""
        request = {"op": "restore", "id": order.restore_id, "path": order.path, "tree": order.tree}
        fields, _ = await self._call({**request, "epoch": order.epoch})
        return guest_answers.restored_of(fields)

    async def diff_snapshots(self, order: DiffOrder) -> AsyncGenerator[DiffPart, None]:
        """See ports.Guest."""
        request: dict[str, Any] = {"op": "diff", "path": order.path, "since": order.from_tree, "tree": order.to_tree}
        request |= {"paths": [path.hex() for path in order.paths], "form": order.form.value}
        async with contextlib.aclosing(self.parts(request)) as parts:
            async for fields, data in parts:
                if "patch" in fields:
                    yield data
                elif isinstance(fields["files"], list):
                    yield guest_answers.changes_of(fields["files"])
                else:
                    yield guest_answers.totals_of(fields)

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
                if finished:
                    self._calls.pop(stream)  # now: who has the end need not come back for more
                yield guest_answers.opened(kind, payload)
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
                return guest_answers.opened(*await self._next(queue))
        except TimeoutError:
            await self.close()  # it is greeted anew, and replaced if it does not answer to that either
            raise GuestLost("The sandbox does not answer.") from None
        finally:
            self._calls.pop(stream)

    async def _follow(self, request: dict[str, Any]) -> AsyncGenerator[tuple[int, bytes], None]:
        stream, queue = await self._open(request)
        finished = False
        try:
            while not finished:
                kind, payload = await self._next(queue)
                finished = kind not in (frames.NOTE, frames.DATA)
                if finished:
                    self._calls.pop(stream)
                yield kind, payload
                if kind == frames.DATA:
                    size = frames.SIZE.pack(len(payload) - frames.OFFSET.size)
                    await self._send(frames.frame(stream, frames.CREDIT, size))
        finally:
            self._calls.pop(stream)
            if not finished and not self.lost.is_set():
                with contextlib.suppress(GuestLost):
                    await self._send(frames.frame(stream, frames.CANCEL))

    async def _open(self, request: dict[str, Any], blob: bytes = b"") -> tuple[int, asyncio.Queue[Answer | None]]:
        is_use = request["op"] not in NO_USE
        if is_use:
            await self._uses.hold(self._body)
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
            self.when_lost()
            for queue in self._calls.values():
                queue.put_nowait(None)
