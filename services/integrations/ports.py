"""What integrations needs from outside."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from services.integrations.domain.models import (
    Account,
    Act,
    Comparison,
    Connection,
    Gate,
    Proposal,
    PullRequest,
    Push,
    RefUpdate,
    Repository,
    SealedToken,
)


class ConnectionStore(Protocol):
    """Connected accounts, one per user and provider."""

    async def list(self, user_id: str) -> Sequence[Connection]:
        """The user's connections, by provider."""
        ...

    async def find(self, user_id: str, provider: str) -> tuple[Connection, SealedToken] | None:
        """One connection with its sealed token."""
        ...

    async def save(self, connection: Connection, token: SealedToken) -> Connection:
        """Keeps it in place of the one before; an existing connection keeps its id."""
        ...

    async def reseal(self, user_id: str, provider: str, old: SealedToken, new: SealedToken) -> None:
        """Replaces the sealed form if it is still `old`."""
        ...

    async def delete(self, user_id: str, provider: str) -> bool:
        """False if there was none."""
        ...


class GateStore(Protocol):
    """Gates and what went through them."""

    async def open(self, gate: Gate) -> Gate:
        """Opens or reopens. Raises Fenced if a higher epoch was seen for the session."""
        ...

    async def find(self, session_id: str) -> Gate | None:
        """The open gate of a session."""
        ...

    async def fence(self, session_id: str, epoch: int) -> None:
        """Remembers the epoch. Raises Fenced if a higher one was seen, GateNotFound if no gate is open."""
        ...

    async def close(self, session_id: str) -> None:
        """Closes; the pushes stay listed."""
        ...

    async def record_pushes(self, gate: Gate, updates: Sequence[RefUpdate]) -> Sequence[Push]:
        """Stores accepted updates durably, numbered on."""
        ...

    async def pushes(self, session_id: str, after_number: int = 0) -> Sequence[Push]:
        """In order."""
        ...


class Outbox(Protocol):
    """Outward acts, written down before they are done."""

    async def begin(self, act: Act) -> tuple[Act, bool]:
        """The act of that key, and whether it is new."""
        ...

    async def finish(self, key: str, answer: PullRequest, existed: bool) -> Act:
        """Stores the answer; the first one stands."""
        ...


@dataclass(frozen=True)
class PullRequestRecord:
    """A pull request of the local provider as stored, with the commits a merge joined (empty before)."""

    pull_request: PullRequest
    head_commit: str = ""
    base_commit: str = ""
    merge_commit: str = ""


class PullRequestStore(Protocol):
    """Pull requests of the local provider."""

    async def create(self, repo: str, proposal: Proposal, url_of: str) -> PullRequest:
        """Numbers and keeps it; `url_of` holds `{number}`. Raises PullRequestExists."""
        ...

    async def find(self, repo: str, number: int) -> PullRequestRecord | None:
        """One of them."""
        ...

    async def find_open(self, repo: str, head: str, base: str) -> PullRequest | None:
        """The open one of that head; `base` empty = any."""
        ...

    async def plan_merge(self, repo: str, number: int, record: PullRequestRecord) -> None:
        """Writes down which commits the merge is about to join."""
        ...

    async def mark_merged(self, repo: str, number: int) -> None:
        """It is merged."""
        ...


class TokenSealer(Protocol):
    """Turns tokens into something that may lie in a database."""

    def seal(self, user_id: str, provider: str, token: str) -> SealedToken:
        """Binds it to user and provider."""
        ...

    def open(self, user_id: str, provider: str, sealed: SealedToken) -> str:
        """The token. Raises TokenUnreadable."""
        ...


class GitProvider(Protocol):
    """A place with repositories and pull requests.

    All methods raise ProviderUnavailable, TokenRefused, ProviderForbidden.

    `token` is empty where the caller has none; the local provider needs none.
    """

    @property
    def host(self) -> str:
        """First part of the gate's path, such as github.com."""
        ...

    @property
    def base_url(self) -> str:
        """What clone addresses begin with."""
        ...

    async def account(self, token: str) -> Account:
        """Who the token belongs to."""
        ...

    async def repositories(self, token: str) -> Sequence[Repository]:
        """All it can reach, most recently changed first."""
        ...

    async def repository(self, token: str, full_name: str) -> Repository:
        """One of them. Raises RepositoryNotFound."""
        ...

    async def branch_commit(self, token: str, full_name: str, branch: str) -> str:
        """What the branch points to; empty if there is none."""
        ...

    async def find_pull_request(self, token: str, full_name: str, head: str, base: str) -> PullRequest | None:
        """The open pull request of that branch."""
        ...

    async def create_pull_request(self, token: str, full_name: str, proposal: Proposal) -> PullRequest:
        """Makes it. Raises PullRequestExists, PullRequestRefused, BranchNotPushed, OutcomeUnknown."""
        ...


class SelfHosted(Protocol):
    """GitLab servers that a person names."""

    def at(self, base_url: str) -> GitProvider:
        """The one at an address. Raises InvalidBaseUrl."""
        ...


class LocalGit(Protocol):
    """Bare repositories of this installation."""

    def merging(self, full_name: str) -> AbstractAsyncContextManager[None]:
        """Held while a repository's pull request is merged: one at a time."""
        ...

    async def compare(self, full_name: str, base: str, head: str) -> Comparison:
        """What head changes; both are branches or commits. Raises BranchNotPushed."""
        ...

    async def commit_of(self, full_name: str, branch: str) -> str:
        """What a branch points to; empty if there is none."""
        ...

    async def contains(self, full_name: str, commit: str, branch: str) -> bool:
        """Whether the branch holds the commit."""
        ...

    async def prepare_merge(self, full_name: str, base: str, head: str, message: str) -> str:
        """Makes the merge commit of two commits, moving nothing. Raises MergeConflict."""
        ...

    async def move(self, full_name: str, branch: str, new: str, old: str) -> bool:
        """Moves a branch if it still is at `old`."""
        ...


@dataclass(frozen=True)
class GitCall:
    """One smart-HTTP request that has passed the gate's rules. `length` is None for a chunked body."""

    base_url: str
    full_name: str
    endpoint: str
    query: str
    content_type: str = ""
    content_encoding: str = ""
    protocol: str = ""
    length: int | None = None
    token: str = field(default="", repr=False)


class GitReply(Protocol):
    """The upstream's answer."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names."""
        ...

    def body(self) -> AsyncIterator[bytes]:
        """Raw bytes, as they come."""
        ...


class GitUpstream(Protocol):
    """Git's smart HTTP at a provider."""

    def exchange(self, call: GitCall, body: AsyncIterator[bytes] | None) -> AbstractAsyncContextManager[GitReply]:
        """Sends it; a GET without a body. Raises ProviderUnavailable."""
        ...


class RepositoryCache(GitUpstream, Protocol):
    """Copies of hosted repositories on this machine, so that a second clone does not come from far away.

    They are only read by a session that the provider has just offered the same commits, for a token that may read them.
    """

    def offered(self, session_id: str, commits: Collection[str]) -> None:
        """Remembers what the provider has offered to a session just now."""
        ...

    async def holds(self, session_id: str, upstream: GitUpstream, call: GitCall, wants: Collection[str]) -> bool:
        """Whether all of it was offered to the session and is here; a copy that is old is brought up to date first."""
        ...

    def fill_later(self, upstream: GitUpstream, call: GitCall) -> None:
        """Makes a copy in the background, unless that was tried just now."""
        ...


@dataclass(frozen=True)
class Ports:
    """All of it."""

    connections: ConnectionStore
    gates: GateStore
    outbox: Outbox
    pull_requests: PullRequestStore
    sealer: TokenSealer
    providers: Mapping[str, GitProvider]
    upstreams: Mapping[str, GitUpstream]
    local_git: LocalGit
    self_hosted: SelfHosted
    repository_cache: RepositoryCache | None = None
