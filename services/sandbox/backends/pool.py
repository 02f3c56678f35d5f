"""Sandboxes that are made beforehand, each with its own fresh volumes or folders, its helper up, and nobody's.

Claiming one is a row: whichever service deletes the warm row and adds the sandbox's in one transaction has it. What
makes it somebody's (the way to the git gate, git's settings, variables, name, epoch) comes after that, so nothing has
to be taken back. A service that stops removes those that it holds: nothing is in them, and nothing of ours shall stay
behind idle. Those of a service that was killed are kept by the next one of the data folder, or removed by it.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.rpc.logs import get_logger
from services.sandbox.backends.fleet import SandboxFleet
from services.sandbox.domain.models import Sandbox
from services.sandbox.domain.network import NO_NETWORK
from services.sandbox.domain.pool import PoolStatus, WarmSandbox
from services.sandbox.ports import Clock, WarmStore

LOOK_SECONDS = 20.0  # between looks whether those that are there still suit
SOON_SECONDS = 1.0  # where another service makes one just now
QUIET_SECONDS = 0.5  # after a claim: whoever has claimed goes first
MAKING_SECONDS = 30.0  # a row that is not ready after so long is left over from a service that died
log = get_logger(__name__)


@dataclass
class _Counts:
    claimed: int = 0
    making: int = 0


class WarmPool:
    """See ports.Pool."""

    def __init__(self, store: WarmStore, fleet: SandboxFleet, clock: Clock, size: int) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        self._size = size
        self._ready: dict[str, WarmSandbox] = {}
        self._counts = _Counts()
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to fill the pool, in the background."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Makes no more, and removes those that nobody has claimed."""
        self._ending.set()
        self._changed.set()
        if self._task is not None:  # not cancelled: half a warm one would be left
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*map(self._discard, list(self._ready.values())), return_exceptions=True)

    def status(self) -> PoolStatus:
        """See ports.Pool."""
        return PoolStatus(self._size, len(self._ready), self._counts.making, self._counts.claimed)

    def resize(self, size: int) -> None:
        """See ports.Pool."""
        self._size = size
        self._changed.set()

    async def claim(self, sandbox: Sandbox) -> Sandbox | None:
        """See ports.Pool."""
        try:
            recipe = await self._recipe(sandbox) if self._ready else ""
        except LucidError:
            return None
        for warm in [warm for warm in self._ready.values() if recipe and warm.recipe == recipe]:
            if self._ready.pop(warm.warm_id, None) is None or self._fleet.attached(warm.warm_id) is None:
                continue
            self._changed.set()
            claimed = replace(sandbox, warm_id=warm.warm_id)
            if await self._store.claim(claimed):
                self._counts.claimed += 1
                return claimed
        if self._size:
            self._changed.set()
        return None

    async def _keep(self) -> None:
        while not self._ending.is_set():
            self._changed.clear()
            seconds = LOOK_SECONDS
            try:
                if await self._tend():
                    seconds = SOON_SECONDS
            except LucidError as error:
                log.warning("no sandbox can be made beforehand", extra={"reason": error.reason, "cause": error.message})
            await self._or_end(self._changed.wait(), seconds)
            await self._or_end(asyncio.sleep(QUIET_SECONDS))

    async def _or_end(self, waiting: Coroutine[Any, Any, object], seconds: float | None = None) -> None:
        """Waits for it, so long at most, or until the service ends."""
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self._ending.wait())]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def _tend(self) -> bool:
        """Keeps what suits, removes the rest, makes what is missing. Whether another service makes one just now."""
        wanted = await self._wanted() if self._size else None
        kept = others = 0
        for warm in await self._store.all():
            if not warm.ready and self._clock.now() - warm.create_time < timedelta(seconds=MAKING_SECONDS):
                others += 1
            elif wanted is not None and kept + others < self._size and await self._suits(warm, wanted):
                self._ready[warm.warm_id] = warm
                kept += 1
            else:
                await self._discard(warm)
        while wanted is not None and kept + others < self._size:
            await self._or_end(self._fleet.admission.calm())
            if self._ending.is_set():
                break
            await self._make(wanted)
            kept += 1
        return others > 0

    async def _wanted(self) -> WarmSandbox | None:
        """What one that is made now would be; None where none is made beforehand."""
        confinement = await self._fleet.confinement()
        image = await self._fleet.image(confinement, "")
        wanted = WarmSandbox(new_id("wrm"), self._store.instance, confinement, image, "", self._clock.now())
        recipe = await self._recipe(_nobody(wanted))
        return replace(wanted, recipe=recipe) if recipe else None

    async def _suits(self, warm: WarmSandbox, wanted: WarmSandbox) -> bool:
        if not warm.ready or warm.recipe != wanted.recipe:
            return False
        await self._fleet.find(_nobody(warm))
        return self._fleet.attached(warm.warm_id) is not None

    async def _make(self, wanted: WarmSandbox) -> None:
        warm = replace(wanted, warm_id=new_id("wrm"), create_time=self._clock.now())
        self._counts.making += 1
        await self._store.add(warm)
        try:
            await self._fleet.make_beforehand(_nobody(warm))
            if await self._store.mark_ready(warm.warm_id):
                self._ready[warm.warm_id] = replace(warm, ready=True)
        finally:
            self._counts.making -= 1
            if warm.warm_id not in self._ready:
                await self._discard(warm)

    async def _discard(self, warm: WarmSandbox) -> None:
        """Removes it, unless somebody has claimed it."""
        self._ready.pop(warm.warm_id, None)
        if await self._store.drop(warm.warm_id):
            await self._fleet.take_down(_nobody(warm), keep_workspace=False)

    async def _recipe(self, sandbox: Sandbox) -> str:
        beginning = datetime.fromtimestamp(0, UTC)
        nobody = {
            "sandbox_id": "",
            "owner_id": "",
            "session_id": "",
            "warm_id": "",
            "epoch": 0,
            "create_time": beginning,
        }
        return await self._fleet.recipe(replace(sandbox, env={}, git_config=(), network=NO_NETWORK, **nobody))  # type: ignore[arg-type]


def _nobody(warm: WarmSandbox) -> Sandbox:
    return Sandbox(
        sandbox_id=warm.warm_id,
        owner_id="",
        session_id="",
        image=warm.image,
        env={},
        git_config=(),
        confinement=warm.confinement,
        epoch=0,
        create_time=warm.create_time,
    )
