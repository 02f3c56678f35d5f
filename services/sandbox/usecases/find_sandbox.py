"""Whose sandbox is it, and is the caller still the owner of its session?"""

import contextlib
from dataclasses import replace

from services.sandbox.domain.errors import Fenced, SandboxNotFound, SandboxUnavailable
from services.sandbox.domain.lifecycle import Life
from services.sandbox.domain.models import Sandbox, SandboxView, State
from services.sandbox.ports import Ports

_ASLEEP = {
    Life.PAUSED: State.PAUSED,
    Life.HIBERNATED: State.HIBERNATED,
    Life.EMPTIED: State.HIBERNATED,
}


async def find_sandbox(ports: Ports, user_id: str | None, sandbox_id: str) -> Sandbox:
    """The row, as it was last seen where the sandbox is connected. `user_id` None: a service that acts for nobody.

    Raises SandboxNotFound.
    """
    sandbox = ports.fleet.attached(sandbox_id) or await ports.store.get(sandbox_id)
    if sandbox is None or (user_id is not None and sandbox.owner_id != user_id):
        raise SandboxNotFound
    return sandbox


async def find_usable(ports: Ports, user_id: str | None, sandbox_id: str) -> Sandbox:
    """The row of one that was not taken down. Raises SandboxUnavailable too."""
    sandbox = await find_sandbox(ports, user_id, sandbox_id)
    if sandbox.removed or sandbox.life is Life.EMPTIED:
        raise SandboxUnavailable("The sandbox was taken down; CreateSandbox brings it back.")
    return sandbox


async def view_of(ports: Ports, sandbox: Sandbox) -> SandboxView:
    """It as it is now, with what it lacks; that is left out where the engine does not answer."""
    lacks: tuple[str, ...] = ()
    with contextlib.suppress(SandboxUnavailable):
        lacks = await ports.fleet.lacks(sandbox.confinement)
    state, place = ports.fleet.state(sandbox), ports.fleet.queue_position(sandbox.sandbox_id)
    if state is State.LOST:
        state = _ASLEEP.get(sandbox.life, state)
    return SandboxView(sandbox, state, ports.fleet.workspace(sandbox), lacks, place)


async def check_epoch(ports: Ports, sandbox: Sandbox, epoch: int) -> None:
    """Refuses an owner that has been followed by another. Raises Fenced."""
    if epoch == sandbox.epoch:
        return
    if epoch < sandbox.epoch or not await ports.store.raise_epoch(sandbox.sandbox_id, epoch):
        raise Fenced
    ports.fleet.renew(replace(sandbox, epoch=epoch))
