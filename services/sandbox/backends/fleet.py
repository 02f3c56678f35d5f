"""All sandboxes that are up, each with its helper and its doors. They outlive this process."""

import asyncio
from dataclasses import replace
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends.boot import boot, boot_text, build
from services.sandbox.backends.control import ENDED, PAUSED, ControlSockets
from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.handing import Handing, handing_over
from services.sandbox.backends.helper import Helper
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.resting import Member, Resting
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.errors import SandboxUnavailable, Stopping
from services.sandbox.domain.lifecycle import Life, Told, What
from services.sandbox.domain.models import Arrival, Confinement, Sandbox, State
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Clock, Guest, Launcher, Lives, Place

VERSION = 1  # of what is said to a helper; see guest/helper.py
CLOSE_SECONDS = 10.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
log = get_logger(__name__)


class SandboxFleet(Resting):
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
    ) -> None:
        super().__init__(launchers, control, lives, uses, clock)
        self._doors = doors
        self._folders = folders
        self._members: dict[str, Member] = {}
        self._starting: set[str] = set()
        self._work: set[asyncio.Task[Arrival]] = set()
        self._closed = False

    async def confinement(self) -> Confinement:
        """See ports.Fleet."""
        return (await self._launchers.default()).confinement

    async def image(self, confinement: Confinement, asked: str) -> str:
        """See ports.Fleet."""
        return await self._launchers.of(confinement).image(asked)

    def images(self, confinement: Confinement) -> tuple[str, ...]:
        """See ports.Fleet."""
        return self._launchers.of(confinement).images()

    async def bring_up(self, sandbox: Sandbox) -> Arrival:
        """See ports.Fleet."""
        # To its end, also when the caller goes away: what is half made would be missed by a removal that comes next.
        work = asyncio.create_task(self._bring_up(sandbox))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        return await asyncio.shield(work)

    async def _bring_up(self, sandbox: Sandbox) -> Arrival:
        async with self._locks[sandbox.sandbox_id]:
            await asyncio.to_thread(self._folders.make, sandbox.sandbox_id, sandbox.git_config)
            self._uses.touch(sandbox.sandbox_id)
            if self._alive(sandbox.sandbox_id) is not None and self._control.rest(sandbox.sandbox_id) != PAUSED:
                self.renew(sandbox)
                return Arrival(created=False, workspace_kept=True)
            self._starting.add(sandbox.sandbox_id)
            try:
                return await self._raise(sandbox)
            finally:
                self._starting.discard(sandbox.sandbox_id)

    async def guest(self, sandbox: Sandbox) -> Guest:
        """See ports.Fleet."""
        async with self._uses.held(sandbox.sandbox_id):
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
        if self._alive(sandbox.sandbox_id) is not None or not self.may_run(sandbox.sandbox_id):
            return
        async with self._locks[sandbox.sandbox_id]:
            if self._alive(sandbox.sandbox_id) is None and not self._closed:
                async with self._control.alone(sandbox.sandbox_id):
                    if self._control.rest(sandbox.sandbox_id) == PAUSED:
                        return
                    if not await self._reach(sandbox):
                        await self._tell_loss(sandbox)

    def may_run(self, sandbox_id: str) -> bool:
        """See ports.Fleet."""
        return self._control.is_there(sandbox_id)

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
        async with self._locks[sandbox_id], self._control.alone(sandbox_id):
            await self._put_away(sandbox, keep_workspace)
        self._locks.pop(sandbox_id, None)
        self._uses.forget(sandbox_id)

    def ready(self) -> int:
        """How many sandboxes take commands."""
        return sum(1 for sandbox_id in list(self._members) if self._alive(sandbox_id) is not None)

    def state(self, sandbox_id: str) -> State:
        """See ports.Fleet."""
        if sandbox_id in self._starting:
            return State.STARTING
        if self._control.rest(sandbox_id) == PAUSED:
            return State.PAUSED
        return State.LOST if self._alive(sandbox_id) is None else State.READY

    def workspace(self, sandbox: Sandbox) -> str:
        """See ports.Fleet."""
        return self._launchers.of(sandbox.confinement).place(sandbox.sandbox_id).workspace

    async def survey(self) -> set[str]:
        """See ports.Fleet."""
        return {found for launcher in await self._launchers.usable() for found in await launcher.survey()}

    async def remove_orphan(self, sandbox_id: str) -> None:
        """See ports.Fleet."""
        async with self._control.alone(sandbox_id):
            for launcher in await self._launchers.usable():
                await self._remove(launcher, sandbox_id, keep_workspace=False)

    async def close(self) -> None:
        """Lets go of all. Helpers and their commands go on; the next service finds them."""
        self._closed = True
        if self._work:
            await asyncio.wait(self._work, timeout=CLOSE_SECONDS)
        await asyncio.gather(*(self._leave(sandbox_id) for sandbox_id in list(self._members)))
        await self._doors.stop()
        self._uses.close()

    def _alive(self, sandbox_id: str) -> Member | None:
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
        began = asyncio.get_running_loop().time()
        async with self._control.alone(sandbox.sandbox_id):
            await self._resume(sandbox, Told(What.RESUMED))
            if await self._reach(sandbox):
                arrival = Arrival(created=False, workspace_kept=True)
                await self._tell_arrival(sandbox, arrival, began)
                return arrival
            await self._tell_loss(sandbox)
            is_known = self._control.rest(sandbox.sandbox_id) == ENDED
            await self._control.kill(sandbox.sandbox_id)  # one that hangs must not be there beside the new one
            await self._open_doors(sandbox)
            folder = str(self._folders.path(sandbox.sandbox_id))
            arrival = await self._launchers.of(sandbox.confinement).launch(sandbox, folder)
            await self._boot(sandbox, is_fresh=not arrival.workspace_kept)
            if not await self._reach(sandbox, booted=True):
                raise SandboxUnavailable("The sandbox's helper does not answer.")
            await self._tell_arrival(sandbox, arrival, began, is_known)
            return arrival

    async def _boot(self, sandbox: Sandbox, is_fresh: bool) -> None:
        launcher = self._launchers.of(sandbox.confinement)
        place = launcher.place(sandbox.sandbox_id)
        argv = [*place.python, "-I", "-S", "-u", "-c", boot_text()]
        base = {"PATH": _helpers_path(place), "LANG": "C.UTF-8", "LUCID_COMMAND": f"{sandbox.sandbox_id}/"}
        entrance = await asyncio.to_thread(self._control.bind, sandbox.sandbox_id)
        try:
            async with handing_over(self._folders.path(sandbox.sandbox_id), entrance) as handing:
                attachment = await launcher.attach(sandbox, argv, base)
                try:
                    hello = {**self._hello(sandbox, place, handing), "fresh": is_fresh}
                    greeting = await boot(attachment, hello)
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
        attachment = await self._control.connect(sandbox.sandbox_id)
        if attachment is None:
            return False
        helper = Helper(attachment, self._uses, sandbox.sandbox_id)
        try:
            greeting = await self._suits(sandbox.sandbox_id, helper, booted)
        except (LucidError, KeyError):
            greeting = None
        if greeting is None:
            await helper.close()
            return False
        found = str(greeting.get("workspace_id", ""))
        self._members[sandbox.sandbox_id] = Member(replace(sandbox, workspace_id=found, life=Life.AWAKE), helper, found)
        await self._open_doors(sandbox)
        return True

    async def _open_doors(self, sandbox: Sandbox) -> None:
        """What is blocked there is told to the helper, which knows whose call it was and who follows that command."""

        async def report(connection: int, call: BlockedCall) -> None:
            if (member := self._alive(sandbox.sandbox_id)) is not None:
                await member.helper.note_blocked(connection, call)

        await self._doors.open(sandbox, self._folders.path(sandbox.sandbox_id), report)

    async def _suits(self, sandbox_id: str, helper: Helper, booted: bool) -> dict[str, Any] | None:
        """Its greeting, or None: one of another version is ended, whatever it runs; one of another build as soon as
        nothing runs in it."""
        greeting = await helper.greet()
        about = {"sandbox_id": sandbox_id, **greeting}
        if greeting["version"] != VERSION:
            log.warning("sandbox helper of another version is replaced; what runs in it is lost", extra=about)
            self._control.mark(sandbox_id, ENDED)
            await helper.end()
            return None
        is_ours = booted or greeting["build"] == build()
        if not is_ours and not greeting["busy"] and await helper.end(if_idle=True):
            self._control.mark(sandbox_id, ENDED)
            log.info("sandbox helper of another build is replaced", extra=about)
            return None
        log.info("sandbox is connected", extra=about)
        return greeting

    async def _leave_lost(self, sandbox_id: str) -> None:
        if sandbox_id in self._members and self._alive(sandbox_id) is None:
            await self._members.pop(sandbox_id).helper.close()

    def _hello(self, sandbox: Sandbox, place: Place, handing: Handing) -> dict[str, object]:
        return {
            "op": "hello",
            "entrance": f"{place.run}/{handing.name}",
            "token": handing.token,
            "home": f"{place.run}/gitconfig",
            "epoch": sandbox.epoch,
            "workspace": place.workspace,
            "state": place.state,
            "mark": sandbox.sandbox_id,
            "own_namespace": place.own_namespace,
            **self._doors.ways(place),
            "env": {**place.variables, **sandbox.env, **_variables(place), **self._doors.variables(place)},
            "bash": list(place.bash),
        }

    async def _remove(self, launcher: Launcher, sandbox_id: str, keep_workspace: bool) -> None:
        await self._control.kill(sandbox_id)
        await launcher.remove(sandbox_id, keep_workspace)
        await asyncio.to_thread(self._folders.remove, sandbox_id)
        await asyncio.to_thread(self._control.remove, sandbox_id)


def _helpers_path(place: Place) -> str:
    return f"{place.programs}:{PATH}" if place.programs and place.own_programs else _path(PATH, place)


def _path(path: str, place: Place) -> str:
    """What the image has comes first."""
    return f"{path}:{place.programs}" if place.programs else path


def _variables(place: Place) -> dict[str, str]:
    """What every command finds; none of it is a secret."""
    return {
        "PATH": _path(place.variables.get("PATH") or PATH, place),
        "HOME": f"{place.state}/home",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        # Python takes bytecode for fresh when a file's second and size are those of before: an edit may be missed.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "GIT_CONFIG_SYSTEM": f"{place.run}/gitconfig",
        "GIT_TERMINAL_PROMPT": "0",
    }
