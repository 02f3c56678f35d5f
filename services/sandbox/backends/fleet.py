"""All sandboxes that are up, each with its helper and its doors. They outlive this process."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from services.sandbox.backends.admission import Admission
from services.sandbox.backends.control import PAUSED, ControlSockets
from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.raising import Raising
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.enclosure import Finding, lacks
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.lifecycle import Life
from services.sandbox.domain.models import Arrival, Confinement, Sandbox, State
from services.sandbox.domain.pool import StartsStatus
from services.sandbox.ports import Clock, Guest, Lives

CLOSE_SECONDS = 10.0
Result = TypeVar("Result")


class SandboxFleet(Raising):
    """See ports.Fleet."""

    def __init__(
        self,
        launchers: Launchers,
        doors: Doorways,
        folders: RunFolders,
        control: ControlSockets,
        lives: Lives,
        uses: Uses,
        clock: Clock,
        output_limit: int,
        limits: tuple[int, int] = (1000, 0),
    ) -> None:
        """`limits`: how many start at once, how many there are at all (0 = any number)."""
        super().__init__(launchers, doors, folders, control, lives, uses, clock, output_limit)
        self.admission = Admission(*limits, self._theirs, self.changes.touch)
        self._starting: set[str] = set()

    async def confinement(self) -> Confinement:
        """See ports.Fleet."""
        return (await self._launchers.default()).confinement

    async def lacks(self, confinement: Confinement) -> tuple[str, ...]:
        """See ports.Fleet."""
        return lacks(await self._launchers.of(confinement).expected())

    def findings(self, confinement: Confinement) -> tuple[Finding, ...]:
        """See ports.Fleet."""
        return self._checkups.findings(confinement)

    async def image(self, confinement: Confinement, asked: str) -> str:
        """See ports.Fleet."""
        return await self._launchers.of(confinement).image(asked)

    def images(self, confinement: Confinement) -> tuple[str, ...]:
        """See ports.Fleet."""
        return self._launchers.of(confinement).images()

    async def bring_up(self, sandbox: Sandbox) -> Arrival:
        """See ports.Fleet. Who is up, or only sleeps, need not stand in line."""
        if self._alive(sandbox.sandbox_id) is None:
            await self._to_its_end(self.find(sandbox))
        if self._alive(sandbox.sandbox_id) is not None or self._control.rest(sandbox.body) == PAUSED:
            return await self._to_its_end(self._bring_up(sandbox))
        await self.admission.enter(sandbox.owner_id, sandbox.sandbox_id)
        return await self._to_its_end(self._bring_up(sandbox), lambda: self.admission.release(sandbox.sandbox_id))

    async def make_beforehand(self, nobody: Sandbox) -> None:
        """A sandbox that is nobody's yet, to be brought up under another id; it has no way to the git gate, and keeps
        nobody waiting. Raises SandboxUnavailable."""
        await self._to_its_end(self._bring_up(nobody))

    async def _to_its_end(self, doing: Coroutine[Any, Any, Result], then: Callable[[], None] = lambda: None) -> Result:
        """Also when the caller goes away: what is half made would be missed by a removal that comes next."""
        work = asyncio.create_task(doing)
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        work.add_done_callback(lambda _: then())
        return await asyncio.shield(work)

    async def _bring_up(self, sandbox: Sandbox) -> Arrival:
        began = asyncio.get_running_loop().time()
        async with self._turns.of(sandbox.sandbox_id), self._control.alone(sandbox.body):
            await asyncio.to_thread(self._folders.make, sandbox.body, sandbox.git_config)
            self._uses.touch(sandbox.body)
            if self._alive(sandbox.sandbox_id) is not None and self._control.rest(sandbox.body) != PAUSED:
                self.renew(sandbox)
                await self._tell_found(sandbox, began)
                return Arrival(created=False, workspace_kept=True)
            self._starting.add(sandbox.sandbox_id)
            self.changed(sandbox)
            try:
                return await self._raise(sandbox, began)
            finally:
                self._starting.discard(sandbox.sandbox_id)
                self.changed(sandbox)

    async def guest(self, sandbox: Sandbox) -> Guest:
        """See ports.Fleet."""
        async with self._uses.held(sandbox.body):
            if self._alive(sandbox.sandbox_id) is None:
                # Nobody takes it down or deletes its files from here on; until here somebody may have.
                if await self._lives.life(sandbox.sandbox_id) in (None, Life.EMPTIED):
                    raise SandboxUnavailable("The sandbox was taken down; CreateSandbox brings it back.")
                await self.bring_up(sandbox)
            member = self._alive(sandbox.sandbox_id)
            if member is None:
                raise SandboxUnavailable
            return member.helper

    async def find(self, sandbox: Sandbox) -> None:
        """See ports.Fleet."""
        began = asyncio.get_running_loop().time()
        if self._alive(sandbox.sandbox_id) is not None or not self.may_run(sandbox.body):
            return
        async with self._turns.of(sandbox.sandbox_id):
            if self._alive(sandbox.sandbox_id) is None and not self._closed:
                async with self._control.alone(sandbox.body):
                    if self._control.rest(sandbox.body) == PAUSED:
                        return
                    if await self._reach(sandbox):
                        await self._tell_found(sandbox, began)
                    else:
                        await self._tell_loss(sandbox)

    def may_run(self, body: str) -> bool:
        """See ports.Fleet."""
        return self._control.is_there(body)

    def attached(self, sandbox_id: str) -> Sandbox | None:
        """See ports.Fleet."""
        member = self._alive(sandbox_id)
        return None if member is None else member.sandbox

    def renew(self, sandbox: Sandbox) -> None:
        """See ports.Fleet."""
        member = self._alive(sandbox.sandbox_id)
        if member is not None:
            member.sandbox = replace(sandbox, workspace_id=member.workspace_id, life=Life.AWAKE)

    async def take_down(self, sandbox: Sandbox, keep_workspace: bool) -> None:
        """See ports.Fleet."""
        sandbox_id = sandbox.sandbox_id
        self.admission.dismiss(sandbox_id)
        async with self._turns.of(sandbox_id), self._control.alone(sandbox.body):
            await self._put_away(sandbox, keep_workspace)
        self._uses.forget(sandbox.body)
        self.admission.look()

    def _lost(self, sandbox: Sandbox) -> None:
        self.admission.look()
        self.changed(sandbox)

    def ready(self) -> int:
        """How many sandboxes take commands."""
        return len(self._theirs())

    def _theirs(self) -> set[str]:
        """Ids of those that are up and somebody's."""
        return {i for i, m in self._members.items() if m.sandbox.session_id and not m.helper.lost.is_set()}

    def state(self, sandbox: Sandbox) -> State:
        """See ports.Fleet."""
        sandbox_id = sandbox.sandbox_id
        if self.queue_position(sandbox_id):
            return State.QUEUED
        if sandbox_id in self._starting:
            return State.STARTING
        if self._control.rest(sandbox.body) == PAUSED:
            return State.PAUSED
        return State.LOST if self._alive(sandbox_id) is None else State.READY

    def queue_position(self, sandbox_id: str) -> int:
        """See ports.Fleet."""
        return self.admission.position(sandbox_id)

    def starts(self) -> StartsStatus:
        """See ports.Fleet."""
        waits = self.admission
        return StartsStatus(waits.starting, waits.waiting, waits.at_once, waits.limit)

    def workspace(self, sandbox: Sandbox) -> str:
        """See ports.Fleet."""
        return self._launchers.of(sandbox.confinement).place(sandbox.body).workspace

    async def survey(self) -> set[str]:
        """See ports.Fleet."""
        return {found for launcher in await self._launchers.usable() for found in await launcher.survey()}

    async def remove_orphan(self, body: str) -> None:
        """See ports.Fleet."""
        async with self._control.alone(body):
            for launcher in await self._launchers.usable():
                await self._remove(launcher, body, keep_workspace=False)

    async def close(self) -> None:
        """Lets go of all. Helpers and their commands go on; the next service finds them."""
        self._closed = True
        self.admission.close()
        if self._work:
            await asyncio.wait(self._work, timeout=CLOSE_SECONDS)
        await asyncio.gather(*(self._leave(sandbox_id) for sandbox_id in list(self._members)))
        await self._doors.stop()
        self._uses.close()
