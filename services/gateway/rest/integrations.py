"""Git accounts, their repositories, and pull requests by hand."""

from typing import Any

from fastapi import APIRouter
from lucid.integrations.v1 import integrations_pb2 as pb
from pydantic import BaseModel, Field

from services.gateway.rest.callers import CallerHere
from services.gateway.rest.refusals import Refused, words_of
from services.gateway.rest.shapes import iso, worded
from services.rpc.errors import Code, LucidError

router = APIRouter(prefix="/api/v1/integrations", tags=["integrations"])
PROVIDERS = ("github", "gitlab")
STATES = {pb.PullRequest.STATE_OPEN: "open", pb.PullRequest.STATE_MERGED: "merged"}


class IntegrationIn(BaseModel):
    """A token to keep."""

    provider: str
    token: str = Field(min_length=1, max_length=1000)
    gitlabUrl: str | None = Field(None, max_length=500)


class ConnectedOut(BaseModel):
    """It is good and kept."""

    status: str = "connected"
    provider: str
    username: str
    message: str


class IntegrationRow(BaseModel):
    """A connection; never its token."""

    id: str
    provider: str
    label: str
    externalUsername: str
    scopes: str
    createdAt: str
    connected: bool = True


class IntegrationsOut(BaseModel):
    """The caller's own."""

    integrations: list[IntegrationRow]


class DisconnectedOut(BaseModel):
    """Forgotten."""

    status: str = "disconnected"
    provider: str


class RepoRow(BaseModel):
    """A repository that the token can reach."""

    name: str
    fullName: str
    url: str
    cloneUrl: str
    defaultBranch: str
    private: bool
    description: str


class ReposOut(BaseModel):
    """All pages at once."""

    provider: str
    repos: list[RepoRow]
    count: int


class PullRequestIn(BaseModel):
    """A pushed branch, to be reviewed."""

    repoUrl: str = Field(min_length=1, max_length=2000)
    branch: str = Field(min_length=1, max_length=250)
    baseBranch: str = Field("main", max_length=250)
    title: str = Field(min_length=1, max_length=255)
    body: str = Field("", max_length=60_000)
    gitlabUrl: str | None = None


class PullRequestOut(BaseModel):
    """It is open."""

    status: str = "created"
    provider: str
    prUrl: str
    prNumber: int
    title: str
    state: str


def _known(provider: str) -> str:
    name = provider.lower()
    if name not in PROVIDERS:
        raise Refused(400, f"Unsupported provider '{provider}'. Use 'github' or 'gitlab'.")
    return name


@router.post("")
async def post_integration(body: IntegrationIn, caller: CallerHere) -> ConnectedOut:
    """Asks the provider about the token, then keeps it sealed."""
    provider = _known(body.provider)
    base_url = (body.gitlabUrl or "") if provider == "gitlab" else ""
    request = pb.SaveConnectionRequest(provider=provider, token=body.token, base_url=base_url)
    try:
        saved = (await caller.ask(caller.integrations.SaveConnection, request)).connection
    except LucidError as error:
        raise _token_refusal(error) from error
    return ConnectedOut(provider=provider, username=saved.username, message=f"Connected as {saved.username}")


def _token_refusal(error: LucidError) -> Exception:
    if error.code in (Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT):
        return Refused(422, error.message)
    return Refused(502, error.message) if error.reason == "PROVIDER_UNAVAILABLE" else error


@router.get("")
async def get_integrations(caller: CallerHere) -> IntegrationsOut:
    """Without their tokens."""
    found = await caller.ask(caller.integrations.ListConnections, pb.ListConnectionsRequest())
    return IntegrationsOut(integrations=[_row(connection) for connection in found.connections])


def _row(connection: pb.Connection) -> IntegrationRow:
    return IntegrationRow(
        id=connection.connection_id,
        provider=connection.provider.lower(),
        label=connection.label,
        externalUsername=connection.username,
        scopes=",".join(connection.scopes),
        createdAt=iso(connection.create_time),
    )


@router.delete("/{provider}")
async def delete_integration(provider: str, caller: CallerHere) -> DisconnectedOut:
    """Forgets the token."""
    name = _known(provider)
    with worded({"CONNECTION_NOT_FOUND": (404, f"No {name} integration found for this user.")}):
        await caller.ask(caller.integrations.DeleteConnection, pb.DeleteConnectionRequest(provider=name))
    return DisconnectedOut(provider=name)


def _no_token(provider: str) -> dict[str, tuple[int, str]]:
    text = f"No {provider} token saved. Add one via POST /api/v1/integrations first."
    return {"CONNECTION_NOT_FOUND": (404, text)}


@router.get("/{provider}/repos")
async def get_repos(provider: str, caller: CallerHere) -> ReposOut:
    """Every repository that the token can reach."""
    name = _known(provider)
    with worded(_no_token(name)):
        try:
            request = pb.ListRepositoriesRequest(provider=name)
            answer = await caller.ask(caller.integrations.ListRepositories, request)
        except LucidError as error:
            raise _provider_failure(error) from error
    if name in answer.failures:
        raise Refused(502, answer.failures[name])
    rows = [RepoRow(**_repo(repository)) for repository in answer.repositories]
    return ReposOut(provider=name, repos=rows, count=len(rows))


def _repo(repository: pb.Repository) -> dict[str, Any]:
    return {
        "name": repository.name,
        "fullName": repository.full_name,
        "url": repository.url,
        "cloneUrl": repository.clone_url,
        "defaultBranch": repository.default_branch,
        "private": repository.private,
        "description": repository.description,
    }


def _provider_failure(error: LucidError) -> Exception:
    """The contract's one status for whatever the provider did; our own refusals keep theirs."""
    own = ("CONNECTION_NOT_FOUND", "UNAVAILABLE", "UNAUTHENTICATED", "INVALID_REQUEST")
    if error.reason in own or error.code in (Code.INTERNAL, Code.UNKNOWN):
        return error
    return Refused(502, words_of(error))


@router.post("/{provider}/pr")
async def post_pr(provider: str, body: PullRequestIn, caller: CallerHere) -> PullRequestOut:
    """Opens a pull request from a pushed branch; one that is open for it already is answered again."""
    name = _known(provider)
    request = pb.CreatePullRequestRequest(
        provider=name,
        repository_url=body.repoUrl,
        branch=body.branch,
        base=body.baseBranch,
        title=body.title,
        body=body.body,
    )
    with worded(_no_token(name)):
        try:
            made = (await caller.ask(caller.integrations.CreatePullRequest, request)).pull_request
        except LucidError as error:
            raise _provider_failure(error) from error
    state = STATES.get(made.state, "closed")
    return PullRequestOut(provider=name, prUrl=made.url, prNumber=made.number, title=made.title, state=state)
