"""AttachCommand."""

import contextlib
from collections.abc import AsyncGenerator

from services.sandbox.domain.models import CommandOrder, Frame
from services.sandbox.ports import Ports
from services.sandbox.usecases.find_sandbox import find_usable
from services.sandbox.usecases.run_command import followed


async def attach_command(
    ports: Ports, user_id: str | None, sandbox_id: str, command_id: str, from_offset: int
) -> AsyncGenerator[Frame, None]:
    """Started, outputs, exit, as RunCommand. Raises SandboxNotFound, SandboxUnavailable, CommandNotFound."""
    sandbox = await find_usable(ports, user_id, sandbox_id)
    order = CommandOrder(command_id, "", 0.0, from_offset=from_offset)
    frames = followed(ports, sandbox, order, lambda guest, now: guest.attach(now.command_id, now.from_offset))
    async with contextlib.aclosing(frames):
        async for frame in frames:
            yield frame
