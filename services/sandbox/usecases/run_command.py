"""RunCommand: start a key at most once, or follow it; either way to its end."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from services.sandbox.domain.errors import GuestLost, SandboxUnavailable
from services.sandbox.domain.models import CommandOrder, Exit, ExitReason, Frame, Output, Sandbox, Started
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import check_epoch, find_usable

DEFAULT_TIMEOUT_SECONDS = 600.0
TRIES = 3


async def run_command(
    ports: Ports, user_id: str | None, sandbox_id: str, order: CommandOrder
) -> AsyncGenerator[Frame, None]:
    """Started, outputs and blocked calls, exit.

    Raises SandboxNotFound, SandboxUnavailable, Fenced, CommandNotFound, SandboxBusy.

    A sandbox that goes away in between is brought back to learn what its journal knows: the exit then is SANDBOX_LOST,
    with the output that was kept.
    """
    sandbox = await find_usable(ports, user_id, sandbox_id)
    await check_epoch(ports, sandbox, order.epoch)
    order = replace(order, timeout=order.timeout or DEFAULT_TIMEOUT_SECONDS)
    is_started = False
    for _ in range(TRIES):
        try:
            async with contextlib.aclosing(_frames(ports, sandbox, order)) as frames:
                async for frame in frames:
                    if isinstance(frame, Output):
                        order = replace(order, from_offset=frame.offset + len(frame.data))
                    if isinstance(frame, BlockedCall):
                        frame = replace(frame, allowed=sandbox.network.hosts)
                    if not (is_started and isinstance(frame, Started)):
                        yield frame
                    is_started = True
            return
        except GuestLost:  # asked again: the journal knows whether the key was started
            pass
        except SandboxUnavailable:
            if not is_started:
                raise
            break
        if await _is_gone(ports, sandbox_id):
            break
    if not is_started:
        raise SandboxUnavailable
    yield Exit(ExitReason.SANDBOX_LOST, total_bytes=order.from_offset)


async def _frames(ports: Ports, sandbox: Sandbox, order: CommandOrder) -> AsyncGenerator[Frame, None]:
    guest = await ports.fleet.guest(sandbox)
    async with contextlib.aclosing(guest.run(order)) as frames:
        async for frame in frames:
            yield frame


async def _is_gone(ports: Ports, sandbox_id: str) -> bool:
    sandbox = await ports.store.get(sandbox_id)
    return sandbox is None or sandbox.removed
