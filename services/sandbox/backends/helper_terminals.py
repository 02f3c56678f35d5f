"""The helper's calls about a person's terminals."""

import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from services.sandbox.backends import frames, guest_answers
from services.sandbox.backends.helper_commands import Line
from services.sandbox.domain.terminals import (
    TerminalExit,
    TerminalFrame,
    TerminalOrder,
    TerminalOutput,
    TerminalReason,
    TerminalStarted,
    TerminalView,
    Typing,
)


class TerminalCalls:
    """See ports.Guest."""

    async def open_terminal(self: Line, order: TerminalOrder) -> AsyncGenerator[TerminalFrame, None]:
        """See ports.Guest."""
        request = {
            "op": "terminal",
            "id": order.terminal_id,
            "columns": order.columns,
            "rows": order.rows,
            "from": order.from_offset,
            "attach_only": order.attach_only,
        }
        async with contextlib.aclosing(self._follow(request)) as answers:
            async for kind, payload in answers:
                yield _frame(kind, payload)

    async def write_terminal(self: Line, typing: Typing) -> int:
        """See ports.Guest."""
        request = {"op": "terminal_write", "id": typing.terminal_id, "writer": typing.writer_id}
        fields, _ = await self._call({**request, "offset": typing.offset}, typing.data)
        return int(fields["accepted"])

    async def resize_terminal(self: Line, terminal_id: str, columns: int, rows: int) -> None:
        """See ports.Guest."""
        await self._call({"op": "terminal_resize", "id": terminal_id, "columns": columns, "rows": rows})

    async def close_terminal(self: Line, terminal_id: str) -> None:
        """See ports.Guest."""
        await self._call({"op": "terminal_close", "id": terminal_id})

    async def list_terminals(self: Line) -> tuple[TerminalView, ...]:
        """See ports.Guest."""
        fields, _ = await self._call({"op": "terminals"})
        return tuple(
            TerminalView(
                terminal_id=found["id"],
                columns=found["columns"],
                rows=found["rows"],
                create_time=datetime.fromtimestamp(found["began"], UTC),
                followers=found["followers"],
            )
            for found in fields["terminals"]
        )


def _frame(kind: int, payload: bytes) -> TerminalFrame:
    if kind == frames.DATA:
        (offset,) = frames.OFFSET.unpack_from(payload)
        return TerminalOutput(offset, payload[frames.OFFSET.size :])
    fields, _ = guest_answers.opened(kind, payload)
    if kind == frames.NOTE:
        return TerminalStarted(fields["attached"], fields["columns"], fields["rows"], fields["shown"])
    return TerminalExit(TerminalReason(fields["reason"]), fields.get("code"), fields.get("signal", ""))
