"""All sandboxes that are up, each with its helper and its socket to the git gate."""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass

from services.rpc.logs import get_logger
from services.sandbox.backends.gate import GateRelay
from services.sandbox.backends.helper import Helper, boot_text
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.models import Arrival, Confinement, Sandbox, State
from services.sandbox.ports import Guest, Place

GIT_PORT = 3129
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
log = get_logger(__name__)


@dataclass
class _Member:
    helper: Helper


class SandboxFleet:
    """See ports.Fleet."""

    def __init__(self, launchers: Launchers, relay: GateRelay, folders: RunFolders) -> None:
        self._launchers = launchers
        self._relay = relay
        self._folders = folders
        self._members: dict[str, _Member] = {}
        self._starting: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False

    async def confinement(self) -> Confinement:
        """See ports.Fleet."""
        return (await self._launchers.default()).confinement

    def image(self, confinement: Confinement, asked: str) -> str:
        """See ports.Fleet."""
        return self._launchers.of(confinement).image(asked)

    async def bring_up(self, sandbox: Sandbox) -> Arrival:
        """See ports.Fleet."""
        async with self._locks[sandbox.sandbox_id]:
            await asyncio.to_thread(self._folders.make, sandbox.sandbox_id, sandbox.git_config)
            if self._alive(sandbox.sandbox_id) is not None:
                return Arrival(created=False, workspace_kept=True)
            return await self._raise(sandbox)

    async def guest(self, sandbox: Sandbox) -> Guest:
        """See ports.Fleet."""
        member = self._alive(sandbox.sandbox_id)
        if member is None:
            await self.bring_up(sandbox)
            member = self._alive(sandbox.sandbox_id)
        if member is None:
            raise SandboxUnavailable
        return member.helper

    async def take_down(self, sandbox: Sandbox, keep_workspace: bool) -> None:
        """See ports.Fleet."""
        async with self._locks[sandbox.sandbox_id]:
            await self._leave(sandbox.sandbox_id)
            await self._launchers.of(sandbox.confinement).remove(sandbox.sandbox_id, keep_workspace)
            await asyncio.to_thread(self._folders.remove, sandbox.sandbox_id)

    def ready(self) -> int:
        """How many sandboxes take commands."""
        return sum(1 for sandbox_id in list(self._members) if self._alive(sandbox_id) is not None)

    def state(self, sandbox_id: str) -> State:
        """See ports.Fleet."""
        if sandbox_id in self._starting:
            return State.STARTING
        return State.LOST if self._alive(sandbox_id) is None else State.READY

    def workspace(self, sandbox: Sandbox) -> str:
        """See ports.Fleet."""
        return self._launchers.of(sandbox.confinement).place(sandbox.sandbox_id).workspace

    async def remove_orphans(self, known: set[str]) -> list[str]:
        """See ports.Fleet."""
        removed = []
        for launcher in await self._launchers.usable():
            for sandbox_id in await launcher.survey() - known:
                await launcher.remove(sandbox_id, keep_workspace=False)
                await asyncio.to_thread(self._folders.remove, sandbox_id)
                removed.append(sandbox_id)
        return removed

    async def close(self) -> None:
        """Ends every helper and every command; containers stay and are found again."""
        self._closed = True
        await asyncio.gather(*(self._leave(sandbox_id) for sandbox_id in list(self._members)))

    def _alive(self, sandbox_id: str) -> _Member | None:
        member = self._members.get(sandbox_id)
        return None if member is None or member.helper.lost.is_set() else member

    async def _leave(self, sandbox_id: str) -> None:
        member = self._members.pop(sandbox_id, None)
        if member is not None:
            await member.helper.close()
        await self._relay.close(sandbox_id)

    async def _raise(self, sandbox: Sandbox) -> Arrival:
        if self._closed:
            raise SandboxUnavailable("The service is stopping.")
        self._starting.add(sandbox.sandbox_id)
        try:
            await self._leave(sandbox.sandbox_id)
            folder = self._folders.path(sandbox.sandbox_id)
            await self._relay.open(sandbox.sandbox_id, sandbox.session_id, folder)
            arrival = await self._launchers.of(sandbox.confinement).launch(sandbox, str(folder))
            self._members[sandbox.sandbox_id] = _Member(await self._boot(sandbox))
            return arrival
        finally:
            self._starting.discard(sandbox.sandbox_id)

    async def _boot(self, sandbox: Sandbox) -> Helper:
        launcher = self._launchers.of(sandbox.confinement)
        place = launcher.place(sandbox.sandbox_id)
        argv = [place.python, "-I", "-S", "-u", "-c", boot_text()]
        mark = f"LUCID_COMMAND={sandbox.sandbox_id}/".partition("=")
        base = {"PATH": PATH, "LANG": "C.UTF-8", mark[0]: mark[2]}
        helper = Helper(await launcher.attach(sandbox, argv, base))
        try:
            greeting = await helper.boot(_hello(sandbox, place))
        except (SandboxUnavailable, TimeoutError) as error:
            with contextlib.suppress(Exception):
                await helper.close()
            raise SandboxUnavailable("The sandbox's helper does not start.") from error
        log.info("sandbox is up", extra={"sandbox_id": sandbox.sandbox_id, **greeting})
        return helper


def _hello(sandbox: Sandbox, place: Place) -> dict[str, object]:
    return {
        "workspace": place.workspace,
        "state": place.state,
        "mark": sandbox.sandbox_id,
        "own_namespace": place.own_namespace,
        "git_socket": f"{place.run}/git.sock",
        "git_port": GIT_PORT,
        "env": {**sandbox.env, **_variables(place)},
    }


def _variables(place: Place) -> dict[str, str]:
    """What every command finds; none of it is a secret."""
    return {
        "PATH": PATH,
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
