"""GitHub's stand-in with points: a push or a pull request that has reached the provider is no longer ours to undo."""

import asyncio
import re
from pathlib import Path
from typing import IO, Any

from tests.fakes.git_host import HostedRepository, Request
from tests.fakes.github import GitHubStandIn
from tests.faults.conductor import Conductor

PATIENCE_SECONDS = 30


class Host(GitHubStandIn):
    """`pushes`: the branches pushed, in order. Points: host-push, host-pushed, host-pull, host-pulled."""

    def __init__(self, folder: Path, conductor: Conductor) -> None:
        super().__init__(folder)
        self.pushes: list[str] = []
        self.started = False
        self._conductor = conductor
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serves; `loop` is the conductor's."""
        self._loop, self.started = loop, True
        self.__enter__()

    def _run_backend(self, request: Request, path: str, query: str, body: IO[bytes]) -> None:
        pushed = request.command == "POST" and "receive-pack" in path
        found = re.search(rb"refs/heads/(lucid/(ses_\w+)/\S*?)[\0\s]", body.read()) if pushed else None
        body.seek(0)
        if found is not None:
            self._reach("host-push", found[2].decode())
        super()._run_backend(request, path, query, body)
        if found is not None:
            self.pushes.append(found[1].decode())

    def _open_pull(self, repository: HostedRepository, wanted: dict[str, Any]) -> tuple[int, Any]:
        session = wanted["head"].split("/")[1]
        self._reach("host-pull", session)
        opened = super()._open_pull(repository, wanted)
        self._reach("host-pulled", session)
        return opened

    def _reach(self, point: str, session: str) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._conductor.at(point, session), self._loop).result(PATIENCE_SECONDS)
