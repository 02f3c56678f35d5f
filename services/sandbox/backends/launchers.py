"""Which way to confine: as the operator says, or the best that works here."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends.bubblewrap import BubblewrapLauncher
from services.sandbox.backends.docker import DockerLauncher
from services.sandbox.backends.process import UnconfinedLauncher
from services.sandbox.domain.errors import NoConfinement, SandboxUnavailable
from services.sandbox.domain.limits import Limits
from services.sandbox.domain.models import Confinement
from services.sandbox.ports import Launcher

log = get_logger(__name__)


class Launchers:
    """All of them; `backend` is `auto` or the name of one."""

    def __init__(
        self, backend: str, allow_unconfined: bool, data_dir: Path, docker: DockerLauncher, limits: Limits
    ) -> None:
        self._backend = backend
        self._allow_unconfined = allow_unconfined
        self._docker = docker
        self._bubblewrap = BubblewrapLauncher(data_dir, limits)
        self._all: Mapping[Confinement, Launcher] = {
            Confinement.DOCKER: docker,
            Confinement.BUBBLEWRAP: self._bubblewrap,
            Confinement.PROCESS: UnconfinedLauncher(data_dir),
        }
        self._chosen: Launcher | None = None
        self._refused: dict[Confinement, str] = {}
        self._lock = asyncio.Lock()

    def of(self, confinement: Confinement) -> Launcher:
        """The one that made a sandbox. Raises SandboxUnavailable where it may not be used any more."""
        if confinement is Confinement.PROCESS and not self._allow_unconfined:
            raise SandboxUnavailable("This sandbox has no confinement, and SANDBOX_ALLOW_UNCONFINED is not set.")
        return self._all[confinement]

    async def default(self) -> Launcher:
        """The one for new sandboxes. Raises NoConfinement; asked again it looks again."""
        async with self._lock:
            if self._chosen is None:
                self._chosen = await self._choose()
                log.info("sandboxes are confined", extra={"by": self._chosen.confinement.value})
        return self._chosen

    async def usable(self) -> list[Launcher]:
        """Those whose sandboxes can be looked for now."""
        found: list[Launcher] = [self._bubblewrap]
        if self._backend in ("auto", "docker") and not await self._docker.usable():
            found.append(self._docker)
        return found

    def refuse(self, confinement: Confinement, reason: str) -> None:
        """One was not closed off as it should be: no new ones by it until the service is restarted."""
        self._refused[confinement] = reason
        self._chosen = None

    async def _usable(self, launcher: DockerLauncher | BubblewrapLauncher) -> str:
        return self._refused.get(launcher.confinement) or await launcher.usable()

    async def _choose(self) -> Launcher:
        if self._backend == "process":
            if not self._allow_unconfined:
                raise NoConfinement
            log.warning("sandboxes are NOT confined: the agent's commands run as this service's user")
            return self._all[Confinement.PROCESS]
        reasons = []
        if self._backend in ("auto", "docker"):
            if not (reason := await self._usable(self._docker)):
                return self._docker
            reasons.append(reason)
        if self._backend in ("auto", "bubblewrap"):
            if not (reason := await self._usable(self._bubblewrap)):
                return self._bubblewrap
            reasons.append(reason)
        log.error("no way to confine a sandbox", extra={"reasons": reasons})
        raise NoConfinement(f"{NoConfinement.default} Tried: {'; '.join(reasons)}")
