"""The nouns of integrations, frozen."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

GITHUB = "github"
GITLAB = "gitlab"
LOCAL = "local"


@dataclass(frozen=True)
class Account:
    """What a provider says about a token."""

    username: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Connection:
    """A connected account; the token itself is elsewhere, sealed. `token_hint` is its last four characters."""

    connection_id: str
    user_id: str
    provider: str
    label: str
    username: str
    scopes: tuple[str, ...]
    token_hint: str
    base_url: str
    create_time: datetime


@dataclass(frozen=True)
class SealedToken:
    """A token at rest. `iv` (hex) is set only for the predecessor's form, which has no MAC."""

    value: str = field(repr=False)
    iv: str = ""


@dataclass(frozen=True)
class Repository:
    """A repository as its provider describes it. `clone_url` never holds a token."""

    provider: str
    full_name: str
    url: str
    clone_url: str
    default_branch: str
    private: bool = False
    description: str = ""

    @property
    def name(self) -> str:
        """The last part of full_name."""
        return self.full_name.rpartition("/")[2]


@dataclass(frozen=True)
class Gate:
    """What one session may do: this repository, branches under its prefix.

    `host` is the first part of the path in the sandbox, `base_url` where the provider really is.
    """

    session_id: str
    owner_id: str
    repository: Repository
    host: str
    base_url: str
    epoch: int

    @property
    def branch_prefix(self) -> str:
        """Pushed branches must begin with this; the trailing slash keeps ses_1 out of ses_10."""
        return f"lucid/{self.session_id}/"

    @property
    def path(self) -> str:
        """The only path that leads through the gate, without the endpoint."""
        return f"/{self.host}/{self.repository.full_name}.git/"


@dataclass(frozen=True)
class RefUpdate:
    """A branch that the provider has moved for a session."""

    branch: str
    old_commit: str
    commit: str


@dataclass(frozen=True)
class Push:
    """An accepted push; `number` counts 1, 2, 3… in the session."""

    number: int
    provider: str
    repo: str
    update: RefUpdate


class PullRequestState(Enum):
    """Where a pull request stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its provider describes it; line counts are 0 where not known."""

    provider: str
    repo: str
    number: int
    url: str
    title: str
    body: str
    head: str
    base: str
    draft: bool
    state: PullRequestState
    create_time: datetime
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Proposal:
    """A pull request that somebody wants."""

    title: str
    body: str
    head: str
    base: str
    draft: bool = False


@dataclass(frozen=True)
class Act:
    """An outward act in the outbox; `answer` is there once it is known to have happened."""

    key: str
    session_id: str
    kind: str
    target: str
    answer: PullRequest | None = None
    existed: bool = False


@dataclass(frozen=True)
class Commit:
    """One commit of a pull request."""

    commit: str
    subject: str
    author: str
    time: datetime


@dataclass(frozen=True)
class Comparison:
    """What a branch changes against its merge base. `unified_diff` is cut at 1 MiB; `commits` are oldest first."""

    unified_diff: str
    added: int
    removed: int
    commits: tuple[Commit, ...]
    mergeable: bool
