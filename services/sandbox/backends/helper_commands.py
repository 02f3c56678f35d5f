"""The helper's calls about commands."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from services.sandbox.backends import frames, guest_answers
from services.sandbox.domain.commands import CommandPage, InputOrder, LogPart, LogQuery, SignalOrder
from services.sandbox.domain.models import CommandOrder, Frame, Output

STOP_SECONDS = 10.0
CALL_SECONDS = 60.0


class Line(Protocol):
    """How a helper is spoken to."""

    async def _call(
        self, request: dict[str, Any], blob: bytes = b"", seconds: float = CALL_SECONDS
    ) -> tuple[dict[str, Any], bytes]:
        """One answer. Raises GuestLost and what the helper refuses with."""

    def _follow(self, request: dict[str, Any]) -> AsyncGenerator[tuple[int, bytes], None]:
        """Frames to the last one; leaving the iteration tells the helper so."""


class CommandCalls:
    """See ports.Guest."""

    async def run(self: Line, order: CommandOrder) -> AsyncGenerator[Frame, None]:
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
            "stdin": order.stdin,
            "background": order.background,
        }
        async with contextlib.aclosing(self._follow(request)) as answers:
            async for kind, payload in answers:
                yield _frame(kind, payload)

    async def attach(self: Line, command_id: str, from_offset: int) -> AsyncGenerator[Frame, None]:
        """See ports.Guest."""
        request = {"op": "attach", "id": command_id, "from": from_offset}
        async with contextlib.aclosing(self._follow(request)) as answers:
            async for kind, payload in answers:
                yield _frame(kind, payload)

    async def stop(self: Line, command_id: str) -> int:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "stop", "id": command_id}, seconds=STOP_SECONDS)
        return int(fields["ended"])

    async def write_stdin(self: Line, order: InputOrder) -> int:
        """See ports.Guest."""
        request = {"op": "stdin", "id": order.command_id, "offset": order.offset, "epoch": order.epoch}
        fields, _ = await self._call(request, order.data)
        return int(fields["accepted"])

    async def close_stdin(self: Line, command_id: str, epoch: int) -> None:
        """See ports.Guest."""
        await self._call({"op": "close_stdin", "id": command_id, "epoch": epoch})

    async def signal_command(self: Line, order: SignalOrder) -> int:
        """See ports.Guest."""
        request = {"op": "signal", "id": order.command_id, "request": order.request_id, "signal": order.signal}
        fields, _ = await self._call({**request, "epoch": order.epoch})
        return int(fields["signalled"])

    async def list_commands(self: Line, page_size: int, page_token: str, active_only: bool) -> CommandPage:
        """See ports.Guest."""
        request = {"op": "commands", "size": page_size, "token": page_token, "active": active_only}
        fields, _ = await self._call(request)
        return guest_answers.page_of(fields)

    async def read_command_log(self: Line, query: LogQuery) -> LogPart:
        """See ports.Guest."""
        request = {
            "op": "log",
            "id": query.command_id,
            "offset": query.offset,
            "limit": query.limit,
            "last": query.last_bytes,
            "wait": query.wait,
        }
        async with contextlib.aclosing(self._follow(request)) as answers:  # left early: the helper waits no more
            kind, payload = await anext(answers)
        return guest_answers.log_part_of(*guest_answers.opened(kind, payload))


def _frame(kind: int, payload: bytes) -> Frame:
    if kind == frames.NOTE:
        return guest_answers.note_of(frames.unpack(payload)[0])
    if kind == frames.DATA:
        (offset,) = frames.OFFSET.unpack_from(payload)
        return Output(offset, payload[frames.OFFSET.size :])
    return guest_answers.exit_of(*guest_answers.opened(kind, payload))
