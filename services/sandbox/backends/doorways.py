"""The two ways out of a sandbox, both by sockets in its run folder: to the git gate, and to the hosts of its policy."""

import asyncio
from pathlib import Path

from services.sandbox.backends.egress.proxy import EgressProxy, Report
from services.sandbox.backends.egress.trust import Trust
from services.sandbox.backends.egress.variables import PORT, proxy_variables
from services.sandbox.backends.gate import GateRelay
from services.sandbox.domain.models import Sandbox
from services.sandbox.ports import Place

GIT_PORT = 3129


class Doorways:
    """Both, opened and closed together. A place without a network of its own has no proxy: who would be kept by it?"""

    def __init__(self, gate: GateRelay, egress: EgressProxy, trust: Trust) -> None:
        self._gate = gate
        self._egress = egress
        self._trust = trust

    async def open(self, sandbox: Sandbox, folder: Path, report: Report) -> None:
        """Those that are not open yet. `report` is told of blocked calls."""
        await self._gate.open(sandbox.sandbox_id, sandbox.session_id, folder)
        await self._egress.open(sandbox.sandbox_id, sandbox.network, folder, report)

    async def close(self, sandbox_id: str) -> None:
        """Closes both and cuts what goes through them."""
        await asyncio.gather(self._gate.close(sandbox_id), self._egress.close(sandbox_id))

    async def stop(self) -> None:
        """Closes all."""
        await asyncio.gather(self._gate.stop(), self._egress.stop())

    def ways(self, place: Place) -> dict[str, object]:
        """For the helper's forwarder: which port leads to which socket."""
        git = {"git_socket": f"{place.run}/git.sock", "git_port": GIT_PORT}
        egress = {"egress_socket": f"{place.run}/egress.sock", "egress_port": PORT}
        return {**git, **egress} if place.own_namespace else git

    def variables(self, place: Place) -> dict[str, str]:
        """For every command."""
        return proxy_variables(place.run, self._trust) if place.own_namespace else self._trust.variables(place.run)
