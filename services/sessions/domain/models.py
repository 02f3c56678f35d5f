"""Sessions as the rules see them.

The log's entries are the proto message Event itself, used as plain data (docs/adr/0001): one definition of an event.
"""

from dataclasses import dataclass
from enum import Enum

from lucid.sessions.v1.event_pb2 import Event, PullRequestChanged

from services.sessions.domain.environment import NOTHING as NO_ENVIRONMENT
from services.sessions.domain.environment import Environment
from services.sessions.domain.waiting import NOTHING, Waiting


class State(Enum):
    """Where a session stands; equals Session.State of the proto."""

    STARTING = 1
    RUNNING = 2
    WAITING = 3
    IDLE = 4
    STOPPED = 5
    FAILED = 6
    PAUSED = 7


class Confirmation(Enum):
    """What the agent asks first; equals ConfirmationMode of the proto."""

    DEFAULT = 0
    NEVER = 1
    RISKY = 2
    ALWAYS = 3


@dataclass(frozen=True)
class Budget:
    """What a session may use before it asks for more: money (millionths of a US dollar), and for one turn model calls
    and working time in seconds. 0 = the installation's default."""

    cost_micros: int = 0
    steps: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class Policy:
    """How a session works. `fallback_model`: answers when the session's own fails; empty = none."""

    confirmation: Confirmation = Confirmation.DEFAULT
    budget: Budget = Budget()
    fallback_model: str = ""


@dataclass(frozen=True)
class Repository:
    """What a session works on. `clone_url` and `full_name` are filled in when the gate was opened."""

    provider: str = ""
    full_name: str = ""
    url: str = ""
    base_branch: str = ""


@dataclass(frozen=True)
class SessionRecord:
    """A session's row. `turn_open`: a turn has started and not ended; new messages are queued.

    `wanted`: there is work for an owner. `waiting`: as of `seq`. `pause_requested`: also while it is paused.
    `wake_at`: when a session that waits is taken up although nobody wants it, by the database's clock; 0 = never.
    `now`: that clock, inside a transition. `network`: a NetworkMode; 0 = as far as the installation allows.
    """

    session_id: str
    owner_id: str
    title: str
    task: str
    state: State
    model: str
    sandbox_id: str
    repository: Repository | None = None
    project_id: str = ""
    confinement: str = ""
    git_user_name: str = ""
    git_user_email: str = ""
    turn_open: bool = False
    seq: int = 0
    log_epoch: int = 1
    lease_epoch: int = 0
    wanted: bool = False
    stop_requested: bool = False
    pause_requested: bool = False
    waiting: Waiting = NOTHING
    title_by_user: bool = False
    wake_at: float = 0.0
    now: float = 0.0
    policy: Policy = Policy()
    network: int = 0
    environment: Environment = NO_ENVIRONMENT
    create_time: float = 0.0
    update_time: float = 0.0
    pull_request: PullRequestChanged | None = None
    model_key_sealed: str = ""


@dataclass(frozen=True)
class NewSession:
    """What the caller asks for. Empty `model`: the default; empty `request_id`: a repeat is a second session.

    `network`: a NetworkMode.
    """

    owner_id: str
    task: str
    request_id: str = ""
    repository: Repository | None = None
    model: str = ""
    project_id: str = ""
    git_user_name: str = ""
    git_user_email: str = ""
    model_api_key: str = ""
    policy: Policy = Policy()
    network: int = 0
    environment: Environment = NO_ENVIRONMENT


@dataclass(frozen=True)
class Leftover:
    """A deleted session whose gate and sandbox may still be there."""

    session_id: str
    owner_id: str
    sandbox_id: str


@dataclass(frozen=True)
class Draft:
    """An event before it has a place in the log.

    `key`: unique in the session; a draft whose key is in the log already is not stored again, the stored event is
    answered instead. seq, epoch, session_id, time, event_id and prev_hash are filled in by the storing transaction.
    """

    event: Event
    key: str = ""


@dataclass(frozen=True)
class Change:
    """What one transition does to a session: events at the end of its log, and columns of its row.

    `wake_at`: seconds since 1970; 0 = not by itself. `quiet`: nobody has done anything; the session keeps its place in
    the list of those changed last.
    """

    drafts: tuple[Draft, ...] = ()
    state: State | None = None
    title: str | None = None
    turn_open: bool | None = None
    wanted: bool | None = None
    stop_requested: bool | None = None
    pause_requested: bool | None = None
    title_by_user: bool | None = None
    wake_at: float | None = None
    policy: Policy | None = None
    confinement: str | None = None
    pull_request: PullRequestChanged | None = None
    repository: Repository | None = None
    release_lease: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Lease:
    """The right to write as the owner of a running session; a lower epoch than the row's is refused."""

    session_id: str
    epoch: int


class Request(Enum):
    """What a person wants of the owner of a running session; a stop outdoes a pause."""

    NOTHING = 0
    PAUSE = 1
    STOP = 2
