"""OpenTerminal."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from services.sandbox.domain.errors import GuestLost, SandboxUnavailable, TerminalNotFound
from services.sandbox.domain.models import Sandbox
from services.sandbox.domain.terminals import (
    TerminalExit,
    TerminalFrame,
    TerminalOrder,
    TerminalOutput,
    TerminalReason,
    TerminalStarted,
)
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable


async def open_terminal(
    ports: Ports, user_id: str | None, sandbox_id: str, order: TerminalOrder
) -> AsyncGenerator[TerminalFrame, None]:
    """Started, outputs, exit. Raises SandboxNotFound, SandboxUnavailable, TerminalNotFound, SandboxBusy.

    It ends with its sandbox: one that went away in between, or before, is told as SANDBOX_LOST.
    """
    sandbox = await find_usable(ports, user_id, sandbox_id)
    is_started = False
    try:
        async with contextlib.aclosing(_frames(ports, sandbox, order)) as frames:
            async for frame in frames:
                is_started = is_started or isinstance(frame, TerminalStarted)
                yield frame
                if isinstance(frame, TerminalOutput):
                    order = replace(order, from_offset=frame.offset + len(frame.data))
        return
    except GuestLost:
        if not is_started:
            raise
    # The helper may live while its line broke: then the terminal is there, and is gone on with.
    try:
        again = replace(order, columns=0, rows=0, attach_only=True)
        async with contextlib.aclosing(_frames(ports, sandbox, again)) as frames:
            async for frame in frames:
                if not isinstance(frame, TerminalStarted):
                    yield frame
    except (GuestLost, SandboxUnavailable, TerminalNotFound):
        yield TerminalExit(TerminalReason.SANDBOX_LOST)


async def _frames(ports: Ports, sandbox: Sandbox, order: TerminalOrder) -> AsyncGenerator[TerminalFrame, None]:
    guest = await ports.fleet.guest(sandbox)
    async with contextlib.aclosing(guest.open_terminal(order)) as frames:
        async for frame in frames:
            yield frame
