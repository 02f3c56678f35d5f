"""CreateSandbox: a new one, or an old one brought back on its workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.sandbox.domain.errors import NetworkNotAllowed, SandboxNotFound
from services.sandbox.domain.lifecycle import What
from services.sandbox.domain.models import Arrival, Sandbox, SandboxView
from services.sandbox.domain.network import NetworkMode, NetworkPolicy
from services.sandbox.ports import Ports
from services.sandbox.usecases.create_checkpoint import KEPT
from services.sandbox.usecases.find_sandbox import check_epoch, view_of


@dataclass(frozen=True)
class SandboxOrder:
    """What is asked for. `network` None: as far as the operator allows."""

    sandbox_id: str
    owner_id: str
    session_id: str
    image: str
    env: Mapping[str, str]
    git_config: tuple[tuple[str, str], ...]
    epoch: int
    network: NetworkMode | None = None


async def create_sandbox(ports: Ports, user_id: str | None, order: SandboxOrder) -> tuple[SandboxView, Arrival]:
    """Safe to repeat. Raises SandboxNotFound for an id that is somebody else's, or that is deleted meanwhile; Fenced,
    NoConfinement, NetworkNotAllowed, SandboxUnavailable, ImageNotAllowed, NoSuchImage, ImageUnsuitable."""
    if user_id is not None and order.owner_id != user_id:
        raise SandboxNotFound
    known = await ports.store.get(order.sandbox_id)
    if known is not None:
        if (known.owner_id, known.session_id) != (order.owner_id, order.session_id):
            raise SandboxNotFound
        await check_epoch(ports, known, order.epoch)
        sandbox = replace(known, git_config=order.git_config, removed=False)
    else:
        sandbox = await _new(ports, order)
    warm = await ports.pool.claim(sandbox) if known is None else None
    sandbox = warm or await ports.store.put(sandbox)
    arrival = await ports.fleet.bring_up(sandbox)
    if warm is not None:  # new to its owner, whether it was still up or not
        arrival = replace(arrival, created=True, workspace_kept=False, warm=not arrival.created)
    row = await still_wanted(ports, sandbox)
    return await view_of(ports, row), await _with_news(ports, row, arrival)


async def _with_news(ports: Ports, sandbox: Sandbox, arrival: Arrival) -> Arrival:
    """What was saved of other files than it has now, and what was told of how it came up."""
    saved = await ports.lives.checkpoints(sandbox.sandbox_id, KEPT)
    older = next((each.checkpoint_id for each in saved if each.workspace_id != sandbox.workspace_id), "")
    return replace(arrival, checkpoint_id=older, transition_id=await arrival_of(ports, sandbox.sandbox_id))


async def arrival_of(ports: Ports, sandbox_id: str) -> str:
    """The transition that tells of how it came up last; empty for none."""
    told = await ports.lives.last_told(sandbox_id, (What.READY, What.REBUILT))
    return told.transition_id if told else ""


async def still_wanted(ports: Ports, sandbox: Sandbox) -> Sandbox:
    """Who deletes it while it is made waits for it, and takes it down; unless that had come before the row."""
    row = await ports.store.get(sandbox.sandbox_id)
    if row is None:
        await ports.fleet.take_down(sandbox, keep_workspace=False)
    if row is None or row.removed:
        raise SandboxNotFound
    return row


async def _new(ports: Ports, order: SandboxOrder) -> Sandbox:
    confinement = await ports.fleet.confinement()
    return Sandbox(
        sandbox_id=order.sandbox_id,
        owner_id=order.owner_id,
        session_id=order.session_id,
        image=await ports.fleet.image(confinement, order.image),
        env=order.env,
        git_config=order.git_config,
        confinement=confinement,
        epoch=order.epoch,
        create_time=ports.clock.now(),
        last_use=ports.clock.now(),
        network=_network(ports, order.network),
    )


def _network(ports: Ports, asked: NetworkMode | None) -> NetworkPolicy:
    """Decided now, for as long as the sandbox lives."""
    mode = ports.network.mode if asked is None else asked
    if not mode.within(ports.network.mode):
        raise NetworkNotAllowed
    return ports.network.policy(mode)
