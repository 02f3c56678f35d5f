"""What becomes of a sandbox that nobody uses, and what is kept of its work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class Life(Enum):
    """What the row knows of a sandbox.

    NEW: never up. AWAKE: it takes commands, as far as is known. PAUSED: it holds its memory and gets no processor.
    HIBERNATED: its container is gone, its files are kept. EMPTIED: its files are gone too. LOST: it went away.
    """

    NEW = "new"
    AWAKE = "awake"
    PAUSED = "paused"
    HIBERNATED = "hibernated"
    EMPTIED = "emptied"
    LOST = "lost"


UP = frozenset({Life.AWAKE, Life.PAUSED})


class What(Enum):
    """What happened to a sandbox; as Transition.What of the proto."""

    READY = "READY"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    IDLE_WARNING = "IDLE_WARNING"
    SAVED = "SAVED"
    HIBERNATED = "HIBERNATED"
    DESTROYED = "DESTROYED"
    LOST = "LOST"
    REBUILT = "REBUILT"
    RESTORED = "RESTORED"


@dataclass(frozen=True)
class Told:
    """Something that happened to a sandbox, for its session's log; which fields are set depends on what it was.

    `workspace_kept`: the files of before are there. `workspace_id`: which files. `idle_deadline`: when it is put away.
    """

    what: What
    reason: str = ""
    workspace_kept: bool = False
    workspace_id: str = ""
    idle_deadline: datetime | None = None
    checkpoint_id: str = ""
    bytes: int = 0
    commits: int = 0
    files: int = 0
    took_ms: int = 0


@dataclass(frozen=True)
class Transition:
    """Told, with its place in the order of all. `transition_id` is its key for ever; numbers may begin again."""

    number: int
    transition_id: str
    sandbox_id: str
    session_id: str
    owner_id: str
    image: str
    confinement: str
    time: datetime
    told: Told


@dataclass(frozen=True)
class Repository:
    """Where a repository stood. `tree`: of its files, as a snapshot has it."""

    path: str
    branch: str
    head: str
    tree: str


@dataclass(frozen=True)
class PackedWork:
    """What the guest has packed. `left_out`: what was too large, in words."""

    size: int
    commits: int
    files: int
    workspace_id: str
    left_out: tuple[str, ...]
    repositories: tuple[Repository, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Work that was not pushed, kept outside. `bytes`: of its file; `workspace_id`: which files it was made of."""

    checkpoint_id: str
    sandbox_id: str
    reason: str
    create_time: datetime
    bytes: int
    commits: int
    files: int
    workspace_id: str = ""
    left_out: tuple[str, ...] = ()
    repositories: tuple[Repository, ...] = ()


@dataclass(frozen=True)
class RestoredWork:
    """What a checkpoint has brought back. `failed`: what it could not, in words."""

    transition_id: str
    commits: int
    files: int
    branch: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """What a guest says of its work: why it must not sleep, how many processes run in the background, and the processor
    time that these have used, in hundredths of a second."""

    reasons: tuple[str, ...]
    processes: int
    ticks: int


@dataclass(frozen=True)
class Ladder:
    """After how long without use a sandbox is paused, its container removed, its files deleted. Zero: never."""

    pause_after: timedelta = timedelta()
    idle_timeout: timedelta = timedelta()
    retention: timedelta = timedelta()

    @property
    def warning(self) -> timedelta:
        """How long before the container goes that is told."""
        return min(self.idle_timeout / 6, timedelta(minutes=5))

    def deadline(self, last_use: datetime) -> datetime | None:
        """When the container goes if nobody comes."""
        return last_use + self.idle_timeout if self.idle_timeout else None
