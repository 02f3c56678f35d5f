"""Which models can be chosen, asked of sessions."""

from lucid.sessions.v1.sessions_pb2 import ListModelsRequest

from services.gateway.backends.upstreams import Caller
from services.rpc.errors import LucidError


class SessionsModels:
    """The port Models. Asked in the gateway's own name: the answer is the same for everybody."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def names(self) -> list[str]:
        """The page must open also while sessions is away: then the answer is empty."""
        try:
            answer = await self._caller.ask(self._caller.sessions.ListModels, ListModelsRequest())
        except LucidError:
            return []
        return [model.model for model in answer.models]
