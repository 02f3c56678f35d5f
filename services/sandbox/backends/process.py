"""No confinement at all: the helper as a plain process of this machine. Only where the operator has asked for it."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from services.sandbox.backends import pipes
from services.sandbox.backends.folders import Folders
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place


class UnconfinedLauncher:
    """See ports.Launcher."""

    confinement = Confinement.PROCESS

    def __init__(self, data_dir: Path) -> None:
        self._folders = Folders(data_dir)
        self._runs: dict[str, str] = {}

    def place(self, sandbox_id: str) -> Place:
        """See ports.Launcher."""
        return Place(
            workspace=str(self._folders.workspace(sandbox_id)),
            state=str(self._folders.state(sandbox_id)),
            run=self._runs.get(sandbox_id, ""),
            python=(sys.executable,),
            own_namespace=False,
        )

    async def image(self, asked: str) -> str:
        """See ports.Launcher."""
        return ""

    def images(self) -> tuple[str, ...]:
        """See ports.Launcher."""
        return ()

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        self._runs[sandbox.sandbox_id] = run_directory
        kept = await asyncio.to_thread(self._folders.make, sandbox.sandbox_id, None)
        return Arrival(created=True, workspace_kept=kept)

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        return await pipes.start(argv, env, str(self._folders.workspace(sandbox.sandbox_id)))

    async def remove(self, sandbox_id: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        self._runs.pop(sandbox_id, None)
        if not keep_workspace:
            await asyncio.to_thread(self._folders.remove, sandbox_id)

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await asyncio.to_thread(self._folders.survey)

    async def pause(self, sandbox_id: str) -> bool:
        """See ports.Launcher. There is nothing to pause: what is idle uses no processor, and nothing else is paused."""
        return False

    async def resume(self, sandbox_id: str) -> bool:
        """See ports.Launcher."""
        return True

    async def condition(self, sandbox_id: str) -> str:
        """See ports.Launcher. It is its helper's process, and nothing of it is left when that has ended."""
        return "its process ended"
