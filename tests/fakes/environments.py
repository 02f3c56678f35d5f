"""The part of the sessions service's stand-in that is about what people have set for a repository."""

from typing import Any

from lucid.sessions.v1 import sessions_pb2 as spb


class Environments:
    """One for everybody; what is saved is answered."""

    enter: Any

    def __init__(self) -> None:
        super().__init__()
        self.environment = spb.Environment()

    async def GetRepositoryEnvironment(self, request: Any, context: Any) -> spb.GetRepositoryEnvironmentResponse:
        self.enter("GetRepositoryEnvironment", request, context)
        return spb.GetRepositoryEnvironmentResponse(environment=self.environment)

    async def SaveRepositoryEnvironment(self, request: Any, context: Any) -> spb.SaveRepositoryEnvironmentResponse:
        self.enter("SaveRepositoryEnvironment", request, context)
        self.environment.CopyFrom(request.environment)
        return spb.SaveRepositoryEnvironmentResponse(environment=self.environment)
