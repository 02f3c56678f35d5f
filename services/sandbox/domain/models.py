"""Sandboxes, commands, files and changes, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from services.sandbox.domain.lifecycle import Life
from services.sandbox.domain.network import NO_NETWORK, BlockedCall, NetworkPolicy


class Confinement(Enum):
    """How well a sandbox is closed off."""

    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"
    PROCESS = "process"


class State(Enum):
    """What a sandbox can do now."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"
    PAUSED = "paused"
    HIBERNATED = "hibernated"


@dataclass(frozen=True)
class Sandbox:
    """Where an agent works. `removed`: taken down with its workspace kept. `life` and what follows are as of the
    last look at the row. `warned`: its end was announced since its last use. `workspace_id`: which files; empty before
    it was up."""

    sandbox_id: str
    owner_id: str
    session_id: str
    image: str
    env: Mapping[str, str]
    git_config: tuple[tuple[str, str], ...]
    confinement: Confinement
    epoch: int
    create_time: datetime
    removed: bool = False
    life: Life = Life.NEW
    last_use: datetime | None = None
    warned: bool = False
    workspace_id: str = ""
    network: NetworkPolicy = NO_NETWORK


@dataclass(frozen=True)
class Arrival:
    """How a sandbox came up: `created` is False if it was there and running. `checkpoint_id`: the last one of other
    files than it has now. `transition_id`: what was told of how it came up last."""

    created: bool
    workspace_kept: bool
    checkpoint_id: str = ""
    transition_id: str = ""


@dataclass(frozen=True)
class SandboxView:
    """A sandbox together with what is known of it at this moment."""

    sandbox: Sandbox
    state: State
    workspace: str


@dataclass(frozen=True)
class CommandOrder:
    """Start this key, or follow it. `timeout` in seconds."""

    command_id: str
    command: str
    timeout: float
    cwd: str = ""
    from_offset: int = 0
    attach_only: bool = False
    epoch: int = 0


@dataclass(frozen=True)
class Started:
    """It runs, or ran."""

    cwd: str
    attached: bool


@dataclass(frozen=True)
class Output:
    """Bytes that it printed."""

    offset: int
    data: bytes


class ExitReason(Enum):
    """Why a command ended."""

    EXITED = "EXITED"
    TIMEOUT = "TIMEOUT"
    STOPPED = "STOPPED"
    OOM = "OOM"
    SANDBOX_LOST = "SANDBOX_LOST"


@dataclass(frozen=True)
class Exit:
    """How a command ended. Neither `code` nor `signal` where that is not known."""

    reason: ExitReason
    code: int | None = None
    signal: str = ""
    duration_ms: int = 0
    total_bytes: int = 0
    truncated: bool = False
    head: bytes = b""
    tail: bytes = b""
    cwd_after: str = ""
    left_running: int = 0


Frame = Started | Output | BlockedCall | Exit


@dataclass(frozen=True)
class TreeEntry:
    """One file or folder, by its path from the workspace."""

    path: str
    directory: bool
    size: int
    symlink: bool
    not_entered: bool = False


@dataclass(frozen=True)
class Tree:
    """A listing."""

    entries: tuple[TreeEntry, ...]
    truncated: bool
    next_page_token: str = ""


@dataclass(frozen=True)
class FileRange:
    """A range of a file; `size` and `etag` are those of the whole."""

    data: bytes
    size: int
    etag: str


@dataclass(frozen=True)
class CreateFile:
    """Write a whole file."""

    content: str
    overwrite: bool


@dataclass(frozen=True)
class ReplaceText:
    """Replace a text that occurs exactly once."""

    old_text: str
    new_text: str


@dataclass(frozen=True)
class InsertLines:
    """Insert after a line; 0 is the beginning."""

    after_line: int
    text: str


Change = CreateFile | ReplaceText | InsertLines


@dataclass(frozen=True)
class EditOrder:
    """Apply this change once for this key."""

    edit_id: str
    path: str
    change: Change
    epoch: int = 0


@dataclass(frozen=True)
class Edited:
    """The file after the edit, and what was changed (nothing is told of a repeat but the counts)."""

    etag: str
    lines: int
    repeated: bool
    unified_diff: str = ""
    added: int = 0
    removed: int = 0
    binary: bool = False
    diff_truncated: bool = False


@dataclass(frozen=True)
class FileChange:
    """What became of a file between two trees."""

    path: str
    old_path: str
    kind: str
    unified_diff: str
    added: int
    removed: int
    binary: bool
    truncated: bool


@dataclass(frozen=True)
class Snapshot:
    """A recorded tree and what changed since an earlier one."""

    tree: str
    head_commit: str
    changes: tuple[FileChange, ...] = field(default=())
    truncated: bool = False
