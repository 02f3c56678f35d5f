"""Starts sandboxes, boots their helpers and connects to them, whoever has started them."""

import asyncio
import hashlib
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends.boot import boot, boot_text, build
from services.sandbox.backends.changes import Changes
from services.sandbox.backends.checkup import Checkups
from services.sandbox.backends.control import ENDED, ControlSockets
from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.greeting import FIXED, hello, helpers_path
from services.sandbox.backends.handing import handing_over
from services.sandbox.backends.helper import Helper
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.resting import Member, Resting
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.errors import EnclosureBroken, SandboxUnavailable, Stopping
from services.sandbox.domain.lifecycle import Life, Told, What
from services.sandbox.domain.models import Arrival, Sandbox
from services.sandbox.domain.network import BlockedCall
from services.sandbox.ports import Clock, Launcher, Lives

VERSION = 1  # of what is said to a helper; see guest/helper.py
log = get_logger(__name__)


class Raising(Resting):
    """The part of a fleet that has the members: who is up, and how one comes up."""

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
    ) -> None:
        super().__init__(launchers, control, lives, uses, clock)
        self.changes = Changes()
        self._checkups = Checkups()
        self._doors = doors
        self._folders = folders
        self._output_limit = output_limit
        self._members: dict[str, Member] = {}
        self._work: set[asyncio.Task[Any]] = set()
        self._closed = False

    @abstractmethod
    def _lost(self, sandbox: Sandbox) -> None: ...

    def changed(self, sandbox: Sandbox) -> None:
        """See ports.Fleet. One that is nobody's has no watchers."""
        if sandbox.owner_id:
            self.changes.touch(sandbox.owner_id, sandbox.sandbox_id)

    def _alive(self, sandbox_id: str) -> Member | None:
        member = self._members.get(sandbox_id)
        return None if member is None or member.helper.lost.is_set() else member

    def _member_in(self, body: str) -> Member | None:
        found = (member for member in self._members.values() if member.sandbox.body == body)
        return next((member for member in found if not member.helper.lost.is_set()), None)

    async def _leave(self, sandbox_id: str) -> None:
        member = self._members.pop(sandbox_id, None)
        if member is not None:
            await member.helper.close()
        await self._doors.close(sandbox_id)

    async def _leave_lost(self, sandbox_id: str) -> None:
        if sandbox_id in self._members and self._alive(sandbox_id) is None:
            await self._members.pop(sandbox_id).helper.close()

    async def _remove(self, launcher: Launcher, body: str, keep_workspace: bool) -> None:
        await self._control.kill(body)
        await launcher.remove(body, keep_workspace)
        await asyncio.to_thread(self._folders.remove, body)
        await asyncio.to_thread(self._control.remove, body)

    async def recipe(self, sandbox: Sandbox) -> str:
        """A digest of all that a new one would be made of; empty if none may be made beforehand. Raises
        SandboxUnavailable."""
        made_of = await self._launchers.of(sandbox.confinement).recipe(sandbox)
        return hashlib.sha256(f"{VERSION} {build()} {made_of}".encode()).hexdigest() if made_of else ""

    async def _raise(self, sandbox: Sandbox, began: float) -> Arrival:
        """Called by who holds its locks."""
        if self._closed:
            raise Stopping
        is_resumed = await self._resume(sandbox, Told(What.RESUMED))
        if await self._reach(sandbox):
            if not is_resumed:
                await self._tell_found(sandbox, began)
            return Arrival(created=False, workspace_kept=True)
        await self._tell_loss(sandbox)
        is_known = self._control.rest(sandbox.body) == ENDED
        await self._control.kill(sandbox.body)  # one that hangs must not be there beside the new one
        await self._open_doors(sandbox)
        arrival = await self._launch(sandbox, str(self._folders.path(sandbox.body)))
        if not await self._reach(sandbox, booted=True):
            raise SandboxUnavailable("The sandbox's helper does not answer.")
        await self._tell_arrival(sandbox, arrival, began, is_known)
        return arrival

    async def _launch(self, sandbox: Sandbox, folder: str) -> Arrival:
        launcher = self._launchers.of(sandbox.confinement)
        arrival = await launcher.launch(sandbox, folder)
        try:
            await self._check(sandbox)
            await self._boot(sandbox, is_fresh=not arrival.workspace_kept)
        except SandboxUnavailable:
            if arrival.created:
                raise
            # It runs and takes no helper, perhaps for want of memory that its files in /tmp hold: made anew.
            log.warning("sandbox takes no helper and is made anew", extra={"sandbox_id": sandbox.sandbox_id})
            await launcher.remove(sandbox.body, keep_workspace=True)
            arrival = await launcher.launch(sandbox, folder)
            await self._boot(sandbox, is_fresh=not arrival.workspace_kept)
        return arrival

    async def _check(self, sandbox: Sandbox) -> None:
        launcher = self._launchers.of(sandbox.confinement)
        try:
            await self._checkups.check(launcher, sandbox)
        except EnclosureBroken as error:
            self._launchers.refuse(sandbox.confinement, error.message)
            await launcher.remove(sandbox.body, keep_workspace=True)
            raise

    async def _boot(self, sandbox: Sandbox, is_fresh: bool) -> None:
        launcher = self._launchers.of(sandbox.confinement)
        place = launcher.place(sandbox.body)
        argv = [*place.python, "-I", "-S", "-u", "-c", boot_text()]
        base = {"PATH": helpers_path(place), "LANG": "C.UTF-8", "LUCID_COMMAND": f"{sandbox.sandbox_id}/"}
        entrance = await asyncio.to_thread(self._control.bind, sandbox.body)
        try:
            async with handing_over(self._folders.path(sandbox.body), entrance) as handing:
                attachment = await launcher.attach(sandbox, argv, base)
                try:
                    words = hello(sandbox, place, handing, self._doors, self._output_limit)
                    greeting = await boot(attachment, {**words, "fresh": is_fresh})
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
            greeting = await self._suits(sandbox, helper, booted)
        except (LucidError, KeyError):
            greeting = None
        if greeting is None:
            await helper.close()
            return False
        found = str(greeting.get("workspace_id", ""))
        self._members[sandbox.sandbox_id] = Member(replace(sandbox, workspace_id=found, life=Life.AWAKE), helper, found)
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
        return None if attachment is None else Helper(attachment, self._uses, sandbox.body)

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

    async def _suits(self, sandbox: Sandbox, helper: Helper, booted: bool) -> dict[str, Any] | None:
        """Its greeting, or None: one of another version is ended, whatever it runs; one of another build as soon as
        nothing runs in it."""
        greeting = await helper.greet()
        about = {"sandbox_id": sandbox.sandbox_id, **greeting}
        if greeting["version"] != VERSION:
            log.warning("sandbox helper of another version is replaced; what runs in it is lost", extra=about)
            self._control.mark(sandbox.body, ENDED)
            await helper.end()
            return None
        is_ours = booted or greeting["build"] == build()
        if not is_ours and not greeting["busy"] and await helper.end(if_idle=True):
            self._control.mark(sandbox.body, ENDED)
            log.info("sandbox helper of another build is replaced", extra=about)
            return None
        if sandbox.warm_id and greeting.get("whose") == sandbox.warm_id:
            await self._adopt(sandbox, helper)
        log.info("sandbox is connected", extra=about)
        return greeting
