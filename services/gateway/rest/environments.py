"""What a person has set for their sessions on a repository."""

from fastapi import APIRouter
from lucid.sessions.v1 import sessions_pb2 as pb
from pydantic import BaseModel, Field

from services.gateway.rest.callers import CallerHere

router = APIRouter(prefix="/api/v1/environments", tags=["sessions"])


class EnvironmentIn(BaseModel):
    """In place of what was set. `kept`: names of variables whose stored value stays."""

    provider: str = Field(min_length=1, max_length=20)
    repository: str = Field(min_length=1, max_length=400)
    image: str = Field("", max_length=300)
    setup: str = Field("", max_length=32768)
    setupSeconds: int = Field(0, ge=0, le=3600)
    env: dict[str, str] = Field(default_factory=dict, max_length=100)
    kept: list[str] = Field(default_factory=list, max_length=100)


class EnvironmentOut(BaseModel):
    """As it is set; of the variables only the names."""

    image: str
    setup: str
    setupSeconds: int
    variables: list[str]


@router.get("")
async def get_environment(provider: str, repository: str, caller: CallerHere) -> EnvironmentOut:
    """Everything is empty where nothing is set."""
    request = pb.GetRepositoryEnvironmentRequest(provider=provider, full_name=repository)
    answer = await caller.ask(caller.sessions.GetRepositoryEnvironment, request)
    return _out(answer.environment)


@router.put("")
async def put_environment(body: EnvironmentIn, caller: CallerHere) -> EnvironmentOut:
    """Holds for the sessions that are begun from now on. Safe to repeat."""
    environment = pb.Environment(image=body.image, setup=body.setup, setup_seconds=body.setupSeconds, env=body.env)
    request = pb.SaveRepositoryEnvironmentRequest(
        repository=pb.Repository(provider=body.provider, full_name=body.repository),
        environment=environment,
        kept_variables=body.kept,
    )
    answer = await caller.ask(caller.sessions.SaveRepositoryEnvironment, request)
    return _out(answer.environment)


def _out(environment: pb.Environment) -> EnvironmentOut:
    return EnvironmentOut(
        image=environment.image,
        setup=environment.setup,
        setupSeconds=environment.setup_seconds,
        variables=sorted(environment.env),
    )
