"""All sandboxes that are up, each with its helper and its doors. They outlive this process."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends.admission import Admission
from services.sandbox.backends.boot import boot, boot_text, build
from services.sandbox.backends.changes import Changes
from services.sandbox.backends.checkup import Checkups
from services.sandbox.backends.control import ControlSockets
from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.greeting import FIXED, hello, helpers_path
from services.sandbox.backends.handing import handing_over
from services.sandbox.backends.helper import Helper
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.domain.enclosure import Finding, lacks
from services.sandbox.domain.errors import EnclosureBroken, SandboxUnavailable, Stopping
from services.sandbox.domain.models import Arrival, Confinement, Sandbox, StartsStatus, State
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Guest, Launcher

VERSION = 1  # of what is said to a helper; see guest/helper.py
CLOSE_SECONDS = 10.0
log = get_logger(__name__)
Result = TypeVar("Result")


@dataclass
class _Member:
    sandbox: Sandbox
    helper: Helper


class SandboxFleet:
    """See ports.Fleet."""

    def __init__(
        self,
        launchers: Launchers,
        doors: Doorways,
        folders: RunFolders,
        control: ControlSockets,
        output_limit: int,
        limits: tuple[int, int] = (1000, 0),
    ) -> None:
        """`limits`: how many start at once, how many there are at all (0 = any number)."""
        self.changes = Changes()
        self.admission = Admission(*limits, self._theirs, self.changes.touch)
        self._output_limit = output_limit
        self._control = control
        self._checkups = Checkups()
        self._launchers = launchers
        self._doors = doors
        self._folders = folders
        self._members: dict[str, _Member] = {}
        self._starting: set[str] = set()
        self._work: set[asyncio.Task[Any]] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False

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
        """See ports.Fleet."""
        if self._alive(sandbox.sandbox_id) is None:
            await self._to_its_end(self.find(sandbox))
        if self._alive(sandbox.sandbox_id) is not None:
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
        async with self._locks[sandbox.sandbox_id]:
            await asyncio.to_thread(self._folders.make, sandbox.body, sandbox.git_config)
            if self._alive(sandbox.sandbox_id) is not None:
                self.renew(sandbox)
                return Arrival(created=False, workspace_kept=True)
            self._starting.add(sandbox.sandbox_id)
            self.changed(sandbox)
            try:
                return await self._raise(sandbox)
            finally:
                self._starting.discard(sandbox.sandbox_id)
                self.changed(sandbox)

    async def guest(self, sandbox: Sandbox) -> Guest:
        """See ports.Fleet."""
        member = self._alive(sandbox.sandbox_id)
        if member is None:
            await self.bring_up(sandbox)
            member = self._alive(sandbox.sandbox_id)
        if member is None:
            raise SandboxUnavailable
        return member.helper

    async def find(self, sandbox: Sandbox) -> None:
        """See ports.Fleet."""
        if self._alive(sandbox.sandbox_id) is not None or not self.may_run(sandbox.body):
            return
        async with self._locks[sandbox.sandbox_id]:
            if self._alive(sandbox.sandbox_id) is None and not self._closed:
                async with self._control.alone(sandbox.body):
                    await self._reach(sandbox)

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
            member.sandbox = sandbox

    async def take_down(self, sandbox: Sandbox, keep_workspace: bool) -> None:
        """See ports.Fleet."""
        sandbox_id = sandbox.sandbox_id
        self.admission.dismiss(sandbox_id)
        async with self._locks[sandbox_id], self._control.alone(sandbox.body):
            await self._reach(sandbox)
            if (member := self._alive(sandbox_id)) is not None:
                await member.helper.end()
            await self._leave(sandbox_id)
            await self._remove(self._launchers.of(sandbox.confinement), sandbox.body, keep_workspace)
        self._locks.pop(sandbox_id, None)
        self.admission.look()

    def _lost(self, sandbox: Sandbox) -> None:
        self.admission.look()
        self.changed(sandbox)

    def changed(self, sandbox: Sandbox) -> None:
        """See ports.Fleet. One that is nobody's has no watchers."""
        if sandbox.owner_id:
            self.changes.touch(sandbox.owner_id, sandbox.sandbox_id)

    def ready(self) -> int:
        """How many sandboxes take commands."""
        return len(self._theirs())

    def _theirs(self) -> set[str]:
        """Ids of those that are up and somebody's."""
        return {i for i, m in self._members.items() if m.sandbox.session_id and not m.helper.lost.is_set()}

    def state(self, sandbox_id: str) -> State:
        """See ports.Fleet."""
        if self.queue_position(sandbox_id):
            return State.QUEUED
        if sandbox_id in self._starting:
            return State.STARTING
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

    async def recipe(self, sandbox: Sandbox) -> str:
        """A digest of all that a new one would be made of; empty if none may be made beforehand. Raises
        SandboxUnavailable."""
        made_of = await self._launchers.of(sandbox.confinement).recipe(sandbox)
        return hashlib.sha256(f"{VERSION} {build()} {made_of}".encode()).hexdigest() if made_of else ""

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

    def _alive(self, sandbox_id: str) -> _Member | None:
        member = self._members.get(sandbox_id)
        return None if member is None or member.helper.lost.is_set() else member

    async def _leave(self, sandbox_id: str) -> None:
        member = self._members.pop(sandbox_id, None)
        if member is not None:
            await member.helper.close()
        await self._doors.close(sandbox_id)

    async def _raise(self, sandbox: Sandbox) -> Arrival:
        if self._closed:
            raise Stopping
        async with self._control.alone(sandbox.body):
            if await self._reach(sandbox):
                return Arrival(created=False, workspace_kept=True)
            await self._control.kill(sandbox.body)  # one that hangs must not be there beside the new one
            await self._open_doors(sandbox)
            folder = str(self._folders.path(sandbox.body))
            arrival = await self._launch(sandbox, folder)
            if not await self._reach(sandbox, booted=True):
                raise SandboxUnavailable("The sandbox's helper does not answer.")
            return arrival

    async def _launch(self, sandbox: Sandbox, folder: str) -> Arrival:
        launcher = self._launchers.of(sandbox.confinement)
        arrival = await launcher.launch(sandbox, folder)
        try:
            await self._check(sandbox)
            await self._boot(sandbox)
        except SandboxUnavailable:
            if arrival.created:
                raise
            # It runs and takes no helper, perhaps for want of memory that its files in /tmp hold: made anew.
            log.warning("sandbox takes no helper and is made anew", extra={"sandbox_id": sandbox.sandbox_id})
            await launcher.remove(sandbox.sandbox_id, keep_workspace=True)
            arrival = await launcher.launch(sandbox, folder)
            await self._boot(sandbox)
        return arrival

    async def _check(self, sandbox: Sandbox) -> None:
        launcher = self._launchers.of(sandbox.confinement)
        try:
            await self._checkups.check(launcher, sandbox)
        except EnclosureBroken as error:
            self._launchers.refuse(sandbox.confinement, error.message)
            await launcher.remove(sandbox.sandbox_id, keep_workspace=True)
            raise

    async def _boot(self, sandbox: Sandbox) -> None:
        launcher = self._launchers.of(sandbox.confinement)
        place = launcher.place(sandbox.body)
        argv = [*place.python, "-I", "-S", "-u", "-c", boot_text()]
        base = {"PATH": helpers_path(place), "LANG": "C.UTF-8", "LUCID_COMMAND": f"{sandbox.sandbox_id}/"}
        entrance = await asyncio.to_thread(self._control.bind, sandbox.body)
        try:
            async with handing_over(self._folders.path(sandbox.body), entrance) as handing:
                attachment = await launcher.attach(sandbox, argv, base)
                try:
                    greeting = await boot(attachment, hello(sandbox, place, handing, self._doors, self._output_limit))
                finally:
                    await attachment.close()
        finally:
            entrance.close()
        log.info("sandbox is up", extra={"sandbox_id": sandbox.sandbox_id, **greeting})

    async def _reach(self, sandbox: Sandbox, booted: bool = False) -> bool:
        """Connects to the helper that runs; whether there is one that speaks as we do."""
        await self._leave_lost(sandbox.sandbox_id)
        if self._alive(sandbox.sandbox_id) is not None:
            return True
        helper = await self._helper_of(sandbox)
        if helper is None:
            return False
        try:
            if not await self._suits(sandbox, helper, booted):
                await helper.close()
                return False
        except (LucidError, KeyError):
            await helper.close()
            return False
        self._members[sandbox.sandbox_id] = _Member(sandbox, helper)
        helper.when_lost = partial(self._lost, sandbox)
        self.changed(sandbox)
        await self._open_doors(sandbox)
        return True

    async def _helper_of(self, sandbox: Sandbox) -> Helper | None:
        """The one that was waiting for whoever it is, or a new connection."""
        waiting = self._alive(sandbox.warm_id)
        self._members.pop(sandbox.warm_id, None)
        if waiting is not None:
            return waiting.helper
        attachment = await self._control.connect(sandbox.body)
        return None if attachment is None else Helper(attachment)

    async def _open_doors(self, sandbox: Sandbox) -> None:
        """What is blocked there is told to the helper, which knows whose call it was and who follows that command. One
        that is nobody's yet has no way out."""

        async def report(connection: int, call: BlockedCall) -> None:
            if (member := self._alive(sandbox.sandbox_id)) is not None:
                await member.helper.note_blocked(connection, call)

        if sandbox.session_id:
            await self._doors.open(sandbox, self._folders.path(sandbox.body), report)

    async def _adopt(self, sandbox: Sandbox, helper: Helper) -> None:
        """Its helper was booted for nobody: it is told who it belongs to before anything else is asked of it."""
        launcher = self._launchers.of(sandbox.confinement)
        fixed = FIXED | self._doors.variables(launcher.place(sandbox.body)).keys()
        env = {name: value for name, value in sandbox.env.items() if name not in fixed}
        await helper.adopt(sandbox.warm_id, sandbox.sandbox_id, env, sandbox.epoch)
        renaming = asyncio.create_task(self._rename(launcher, sandbox))
        self._work.add(renaming)
        renaming.add_done_callback(self._work.discard)

    async def _rename(self, launcher: Launcher, sandbox: Sandbox) -> None:
        """For those who look at containers; it is found by its old name too, and renamed then."""
        try:
            await launcher.rename(sandbox)
        except SandboxUnavailable as error:
            log.info("a claimed sandbox keeps its old name for now", extra={"cause": error.message})

    async def _suits(self, sandbox: Sandbox, helper: Helper, booted: bool) -> bool:
        """One of another version is ended, whatever it runs; one of another build as soon as nothing runs in it."""
        greeting = await helper.greet()
        about = {"sandbox_id": sandbox.sandbox_id, **greeting}
        if greeting["version"] != VERSION:
            log.warning("sandbox helper of another version is replaced; what runs in it is lost", extra=about)
            await helper.end()
            return False
        is_ours = booted or greeting["build"] == build()
        if not is_ours and not greeting["busy"] and await helper.end(if_idle=True):
            log.info("sandbox helper of another build is replaced", extra=about)
            return False
        if sandbox.warm_id and greeting.get("whose") == sandbox.warm_id:
            await self._adopt(sandbox, helper)
        log.info("sandbox is connected", extra=about)
        return True

    async def _leave_lost(self, sandbox_id: str) -> None:
        if sandbox_id in self._members and self._alive(sandbox_id) is None:
            await self._members.pop(sandbox_id).helper.close()

    async def _remove(self, launcher: Launcher, body: str, keep_workspace: bool) -> None:
        await self._control.kill(body)
        await launcher.remove(body, keep_workspace)
        await asyncio.to_thread(self._folders.remove, body)
        await asyncio.to_thread(self._control.remove, body)
