"""Sandboxes, commands, files and changes, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from services.sandbox.domain.enclosure import Finding
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
    QUEUED = "queued"
    PAUSED = "paused"
    HIBERNATED = "hibernated"


@dataclass(frozen=True)
class Sandbox:
    """Where an agent works. `removed`: taken down with its workspace kept. `warm_id`: it was made beforehand under
    this id, and claimed. `life` and what follows are as of the last look at the row. `warned`: its end was announced
    since its last use. `workspace_id`: which files; empty before it was up."""

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
    warm_id: str = ""

    @property
    def body(self) -> str:
        """The id that its container's volumes, its folders and its helper's socket go by, from first to last."""
        return self.warm_id or self.sandbox_id


@dataclass(frozen=True)
class Arrival:
    """How a sandbox came up: `created` is False if it was there and running, `warm` if it was made beforehand.
    `checkpoint_id`: the last one of other files than it has now. `transition_id`: what was told of how it came up."""

    created: bool
    workspace_kept: bool
    warm: bool = False
    checkpoint_id: str = ""
    transition_id: str = ""


@dataclass(frozen=True)
class SandboxView:
    """A sandbox with what is known of it at this moment. `lacks`: what could close it off and does not, in words.
    `queue_position`: from 1, 0 where it does not wait."""

    sandbox: Sandbox
    state: State
    workspace: str
    lacks: tuple[str, ...] = ()
    queue_position: int = 0


@dataclass(frozen=True)
class Status:
    """How the service is; `confinement` is None where no sandbox can be made now."""

    confinement: Confinement | None
    ready: int
    network: NetworkPolicy
    lacks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Stats:
    """What a sandbox uses. Bytes, and milliseconds of CPU time; a limit of 0: none that is known. `disk_…`: of the file
    system that the workspace lies on."""

    cpu_ms: int
    memory: int
    memory_limit: int
    processes: int
    processes_limit: int
    disk_total: int
    disk_free: int


@dataclass(frozen=True)
class Watched:
    """What has changed of a caller's sandboxes. `whole`: these are all, whatever was known before."""

    views: tuple[SandboxView, ...]
    gone: tuple[str, ...]
    revision: str
    whole: bool


@dataclass(frozen=True)
class CommandOrder:
    """Start this key, or follow it. `timeout` in seconds; 0 = none."""

    command_id: str
    command: str
    timeout: float
    cwd: str = ""
    from_offset: int = 0
    attach_only: bool = False
    epoch: int = 0
    stdin: bool = False
    background: bool = False


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
    DETACHED = "DETACHED"
    LIMIT = "LIMIT"
    DISK = "DISK"


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
    """What became of a file between two trees. `raw_path`, `raw_old_path`: only of names that are no text."""

    path: str
    old_path: str
    kind: str
    unified_diff: str
    added: int
    removed: int
    binary: bool
    truncated: bool
    raw_path: bytes = b""
    raw_old_path: bytes = b""


@dataclass(frozen=True)
class Totals:
    """Of a difference as a whole."""

    files: int = 0
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class SnapshotOrder:
    """Record the tree under `path`, and compare it with `since_tree` (with patches) and `base_tree` (without)."""

    path: str
    since_tree: str = ""
    base_tree: str = ""
    label: str = ""
    epoch: int = 0


@dataclass(frozen=True)
class Snapshot:
    """A recorded tree and what changed since an earlier one. `since_base`: None where nothing can be said of it."""

    tree: str
    head_commit: str
    changes: tuple[FileChange, ...] = field(default=())
    truncated: bool = False
    since_base: tuple[tuple[FileChange, ...], Totals] | None = None


@dataclass(frozen=True)
class RecordedTree:
    """A tree as it was recorded. `kept`: its files are there."""

    number: int
    tree: str
    create_time: datetime
    head_commit: str
    head_ref: str
    branches: Mapping[str, str]
    label: str
    kept: bool


class DiffForm(Enum):
    """What is sent of a difference."""

    FILES = "FILES"
    DIFFS = "DIFFS"
    PATCH = "PATCH"


@dataclass(frozen=True)
class DiffOrder:
    """Compare two trees; an empty `from_tree` is one without files. `paths`: only these."""

    path: str
    from_tree: str
    to_tree: str
    paths: tuple[bytes, ...]
    form: DiffForm


DiffPart = tuple[FileChange, ...] | bytes | Totals
"""Some files, some bytes of a patch, or the end."""


@dataclass(frozen=True)
class RestoreOrder:
    """Make the files under `path` those of a tree, once for this key."""

    restore_id: str
    path: str
    tree: str
    epoch: int = 0


@dataclass(frozen=True)
class Restored:
    """What was changed for it. `left`: paths that could not be put back."""

    tree_before: str
    tree: str
    head_commit: str
    changes: tuple[FileChange, ...]
    totals: Totals
    left: tuple[str, ...]
    repeated: bool
