"""What comes back from the sandbox and from integrations, in our words."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lucid.sessions.v1.event_pb2 import (
    CommandCompleted,
    DiffSnapshot,
    FileEdited,
    NetworkBlocked,
    NetworkMode,
    SandboxChanged,
)


@dataclass(frozen=True)
class Confinement:
    """A sandbox that takes commands. `level`: docker, bubblewrap or process. `created`: it did not run before;
    `warm`: it had been made beforehand.

    `lacks`: what could close it off further and cannot be had there, in words.
    `workspace_id`: which files it has; `transition_id`: what the sandbox service tells of how it came up last;
    `checkpoint_id`: what was saved last of other files. Each is empty where it is not known.
    `network` and `allowed`: how far its network goes, and the hosts.
    """

    level: str
    image: str
    workspace: str
    workspace_kept: bool
    created: bool = True
    network: NetworkMode.ValueType = NetworkMode.NETWORK_MODE_UNSPECIFIED
    allowed: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    warm: bool = False
    workspace_id: str = ""
    transition_id: str = ""
    checkpoint_id: str = ""


@dataclass(frozen=True)
class RestoredWork:
    """What a checkpoint has brought back. `failed`: what it could not, in words."""

    checkpoint_id: str
    transition_id: str
    commits: int
    files: int
    failed: str


@dataclass(frozen=True)
class Happened:
    """Something that happened to a sandbox; `number`: its place in the sandbox service's order."""

    number: int
    transition_id: str
    session_id: str
    changed: SandboxChanged


@dataclass(frozen=True)
class Surroundings:
    """What a sandbox is made with now. `remade`: it was made again for that. Empty `image`: it has none.
    `transition_id`: what the sandbox service tells of that; empty where it is not known."""

    image: str
    remade: bool
    transition_id: str = ""


@dataclass(frozen=True)
class CommandBegun:
    """The command runs, or ran: `attached` says that an earlier call had started it."""

    cwd: str
    attached: bool


@dataclass(frozen=True)
class CommandOutput:
    """Bytes it printed; `offset` is where they begin."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class CommandEnded:
    """Its end, in the log's own form. `left_running`: processes in the background. `blocked`: calls not let out."""

    completed: CommandCompleted
    left_running: int = 0
    blocked: tuple[NetworkBlocked, ...] = ()


@dataclass(frozen=True)
class LogPart:
    """Which part of a command's output is wanted: from `offset`, or the last bytes where that is None."""

    offset: int | None
    limit: int
    wait_ms: int = 0


@dataclass(frozen=True)
class CommandLog:
    """A part of a command's kept output, from `offset` on. `completed` is None while it runs; `processes` run now."""

    data: bytes
    offset: int
    total_bytes: int
    completed: CommandCompleted | None
    processes: int


@dataclass(frozen=True)
class CommandBlocked:
    """A call of it that was not let out, in the log's own form."""

    call: NetworkBlocked


CommandFrame: TypeAlias = CommandBegun | CommandOutput | CommandBlocked | CommandEnded


@dataclass(frozen=True)
class CreateFile:
    """Write a whole file."""

    content: str
    overwrite: bool = False


@dataclass(frozen=True)
class ReplaceText:
    """Replace a text that occurs exactly once."""

    old_text: str
    new_text: str


@dataclass(frozen=True)
class InsertText:
    """Insert after a line; 0 = at the beginning."""

    after_line: int
    text: str


FileEdit: TypeAlias = CreateFile | ReplaceText | InsertText


@dataclass(frozen=True)
class FileContent:
    """A file or a range of it."""

    data: bytes
    size: int


# Characters: a longer line is shown in part, around what was found.
FOUND_LENGTH = 300


@dataclass(frozen=True)
class Sought:
    """What is looked for in the workspace, line by line; in `names` it is compared with the paths instead.

    `path`: a folder, or one file. `hidden`: in folders with a leading dot too. At most `limit` lines, within `time_ms`.
    """

    query: str
    path: str = ""
    names: bool = False
    regex: bool = False
    ignore_case: bool = False
    globs: tuple[str, ...] = ()
    hidden: bool = False
    limit: int = 100
    time_ms: int = 5000


@dataclass(frozen=True)
class FoundLine:
    """One place: `path` from the workspace, the line's number from 1 and its text; 0 and empty in a search of names."""

    path: str
    number: int = 0
    text: str = ""


class SearchEnd(Enum):
    """Why a search ended: all was searched, or it was at its limit."""

    COMPLETE = "COMPLETE"
    RESULTS = "RESULTS"
    TIME = "TIME"


@dataclass(frozen=True)
class Found:
    """What a search has come to. `files` were searched (0 where that is not known), `skipped` could not be."""

    lines: tuple[FoundLine, ...]
    end: SearchEnd
    files: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A tree and what changed since another one (via, cause and trees of the changes are not yet filled in).

    `truncated`: there are more changes. `whole`: all that changed since a base, if it was asked for and is known.
    """

    tree: str
    changes: tuple[FileEdited, ...]
    head_commit: str
    truncated: bool = False
    whole: DiffSnapshot | None = None


@dataclass(frozen=True)
class Totals:
    """Of a difference."""

    files: int = 0
    added: int = 0
    removed: int = 0


class DiffForm(Enum):
    """What is sent of a difference: files with counts, with their patches too, or one patch to apply."""

    FILES = "FORM_FILES"
    DIFFS = "FORM_DIFFS"
    PATCH = "FORM_PATCH"


DiffPart: TypeAlias = tuple[FileEdited, ...] | bytes | Totals
"""Some files, some bytes of a patch, or the end."""


@dataclass(frozen=True)
class Restored:
    """What going back to a tree has changed. `left`: paths that could not be put back."""

    tree_before: str
    tree: str
    head_commit: str
    changes: tuple[FileEdited, ...]
    totals: Totals
    left: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """The one way out of a session's sandbox: this repository, branches under the prefix."""

    provider: str
    full_name: str
    clone_url: str
    default_branch: str
    url: str
    branch_prefix: str
    git_config: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Push:
    """A push the provider has accepted; numbers count from 1 in a session."""

    number: int
    provider: str
    repo: str
    branch: str
    commit: str


class ToolFailure(Exception):
    """The sandbox or a provider refused; the text is for the model. `reason` is the other side's stable word."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(message)


class Outcome(Enum):
    """How a turn's run ended for its worker."""

    COMPLETED = "completed"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    LIMIT = "limit"
    BUDGET = "budget"
    STUCK = "stuck"
    PAUSED = "paused"
