"""How busy the services are, for the status row."""

import asyncio

from lucid.sandbox.v1 import sandbox_pb2
from lucid.sessions.v1 import sessions_pb2

from services.gateway.backends.upstreams import Caller
from services.gateway.ports import Occupancy
from services.rpc.errors import LucidError

PATIENCE_SECONDS = 2.0
_CONFINEMENTS = {
    sandbox_pb2.Sandbox.CONFINEMENT_DOCKER: "docker",
    sandbox_pb2.Sandbox.CONFINEMENT_BUBBLEWRAP: "bubblewrap",
    sandbox_pb2.Sandbox.CONFINEMENT_PROCESS: "process",
}


class ServiceOccupants:
    """The port Occupants. A status must answer while services are away: what cannot be told soon is not told."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def look(self) -> Occupancy:
        """As it is now."""
        sandbox, sessions = await asyncio.gather(self._sandbox(), self._sessions())
        confinement = _CONFINEMENTS.get(sandbox.confinement)
        return Occupancy(confinement, sandbox.ready_sandboxes, sessions.active_sessions, tuple(sandbox.lacks))

    async def _sandbox(self) -> sandbox_pb2.GetStatusResponse:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._caller.ask(self._caller.sandbox.GetStatus, sandbox_pb2.GetStatusRequest())
        except (LucidError, TimeoutError):
            return sandbox_pb2.GetStatusResponse()

    async def _sessions(self) -> sessions_pb2.GetStatusResponse:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._caller.ask(self._caller.sessions.GetStatus, sessions_pb2.GetStatusRequest())
        except (LucidError, TimeoutError):
            return sessions_pb2.GetStatusResponse()
