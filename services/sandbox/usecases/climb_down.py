"""The ladder: one look at all sandboxes, each taken a rung down if nobody has used it for long enough."""

import asyncio
from datetime import datetime, timedelta

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.domain.errors import SandboxInUse
from services.sandbox.domain.lifecycle import UP, Life, Told, What
from services.sandbox.domain.models import Confinement, Sandbox, State
from services.sandbox.ports import Ports
from services.sandbox.usecases.create_checkpoint import save
from services.sandbox.usecases.hibernate_sandbox import hibernate

AT_ONCE = 4
TRANSITIONS_KEPT = timedelta(days=60)
log = get_logger(__name__)


async def climb_down(ports: Ports) -> None:
    """One look. What cannot be done now is tried again by the next one."""
    await ports.lives.touch(ports.fleet.take_uses())
    now = ports.clock.now()
    living = await ports.lives.living()
    due = [sandbox for sandbox in living if _is_due(ports, sandbox, now)]
    # Only those of this machine: others may share the database.
    there = await ports.fleet.survey() if due else set()
    limit = asyncio.Semaphore(AT_ONCE)

    async def step(sandbox: Sandbox) -> None:
        async with limit:
            await _guarded(ports, sandbox, now, sandbox.body in there)

    await asyncio.gather(*map(step, living))


async def _guarded(ports: Ports, sandbox: Sandbox, now: datetime, is_there: bool) -> None:
    try:
        if sandbox.last_use is None:
            ports.fleet.touch(sandbox.body)
        elif _is_due(ports, sandbox, now):
            if is_there:
                await _empty(ports, sandbox)
        elif sandbox.life in UP and ports.fleet.may_run(sandbox.body):
            await _rest(ports, sandbox, now - sandbox.last_use)
    except SandboxInUse as error:
        log.debug("sandbox is spared", extra={"sandbox_id": sandbox.sandbox_id, "cause": error.message})
        ports.fleet.touch(sandbox.body)
    except LucidError as error:
        about = {"sandbox_id": sandbox.sandbox_id, "reason": error.reason, "cause": error.message}
        log.warning("sandbox could not be put to sleep", extra=about)


def _is_due(ports: Ports, sandbox: Sandbox, now: datetime) -> bool:
    retention = ports.ladder.retention
    return bool(retention) and sandbox.last_use is not None and now - sandbox.last_use >= retention


async def _rest(ports: Ports, sandbox: Sandbox, idle: timedelta) -> None:
    await ports.fleet.find(sandbox)  # one that went away is told of now
    if ports.fleet.state(sandbox) not in (State.READY, State.PAUSED):
        return
    ladder = ports.ladder
    if ladder.idle_timeout and idle >= ladder.idle_timeout:
        await hibernate(ports, sandbox)
        return
    can_pause = sandbox.life is Life.AWAKE and sandbox.confinement is Confinement.DOCKER
    if can_pause and ladder.pause_after and idle >= ladder.pause_after:
        await ports.fleet.pause(sandbox)
    if ladder.idle_timeout and idle >= ladder.idle_timeout - ladder.warning and not sandbox.warned:
        await _warn(ports, sandbox)


async def _warn(ports: Ports, sandbox: Sandbox) -> None:
    assert sandbox.last_use is not None
    if sandbox.life is not Life.PAUSED:
        await ports.fleet.must_be_idle(sandbox, 0.0)
    told = Told(What.IDLE_WARNING, idle_deadline=ports.ladder.deadline(sandbox.last_use))
    await ports.lives.warn(sandbox, ports.clock.now(), told)


async def _empty(ports: Ports, sandbox: Sandbox) -> None:
    """Without a checkpoint of its last state the files are not deleted."""
    stamp = ports.fleet.stamp(sandbox.body)
    if sandbox.life in UP:
        await ports.fleet.must_be_idle(sandbox, 0.0)
    last = await ports.lives.checkpoints(sandbox.sandbox_id, 1)
    if not last or (sandbox.last_use is not None and last[0].create_time < sandbox.last_use):
        saved = await save(ports, sandbox, await ports.fleet.quiet_guest(sandbox), "deleted")
        last = [saved] if saved else last
    told = Told(What.DESTROYED, checkpoint_id=last[0].checkpoint_id if last else "")
    await ports.fleet.empty(sandbox, stamp, told)
