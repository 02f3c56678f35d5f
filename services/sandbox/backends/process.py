"""No confinement at all: the helper as a plain process of this machine. Only where the operator has asked for it."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from services.sandbox.backends import pipes
from services.sandbox.backends.folders import Folders
from services.sandbox.domain.enclosure import Expected, Setting
from services.sandbox.domain.limits import Limits
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place


class UnconfinedLauncher:
    """See ports.Launcher."""

    confinement = Confinement.PROCESS

    def __init__(self, data_dir: Path) -> None:
        self._folders = Folders(data_dir)
        self._runs: dict[str, str] = {}

    def place(self, body: str) -> Place:
        """See ports.Launcher."""
        return Place(
            workspace=str(self._folders.workspace(body)),
            state=str(self._folders.state(body)),
            run=self._runs.get(body, ""),
            python=(sys.executable,),
            own_namespace=False,
        )

    async def image(self, asked: str) -> str:
        """See ports.Launcher."""
        return ""

    def images(self) -> tuple[str, ...]:
        """See ports.Launcher."""
        return ()

    async def expected(self, body: str = "") -> Expected:
        """See ports.Launcher: nothing."""
        return Expected(Limits(0, 0, 0, 0), frozenset(Setting))

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        self._runs[sandbox.body] = run_directory
        kept = await asyncio.to_thread(self._folders.make, sandbox.body, None)
        return Arrival(created=True, workspace_kept=kept)

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        return await pipes.start(argv, env, str(self._folders.workspace(sandbox.body)))

    async def recipe(self, sandbox: Sandbox) -> str:
        """See ports.Launcher. Its home and its name are known to whoever looks at this machine: none is kept warm."""
        return ""

    async def rename(self, sandbox: Sandbox) -> None:
        """See ports.Launcher."""

    async def remove(self, body: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        self._runs.pop(body, None)
        if not keep_workspace:
            await asyncio.to_thread(self._folders.remove, body)

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await asyncio.to_thread(self._folders.survey)

    async def pause(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher. There is nothing to pause: what is idle uses no processor, and nothing else is paused."""
        return False

    async def resume(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher."""
        return True

    async def condition(self, sandbox: Sandbox) -> str:
        """See ports.Launcher. It is its helper's process, and nothing of it is left when that has ended."""
        return "its process ended"
