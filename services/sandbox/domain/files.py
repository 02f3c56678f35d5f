"""What is asked about files of a workspace, and what is told of them, as plain values."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class FileInfo:
    """A file, folder or link. `modify_ns`: nanoseconds since 1970; `etag` where it was asked for."""

    path: str
    kind: str
    size: int
    modify_ns: int
    executable: bool
    link_target: str
    etag: str
    version: str


@dataclass(frozen=True)
class TreeOrder:
    """List a folder; 0 = the default. `page_token` as the last answer gave it."""

    path: str
    depth: int
    max_entries: int
    include_hidden: bool
    page_token: str


@dataclass(frozen=True)
class DownloadOrder:
    """Read a file from `offset`; `length` 0 = to its end. `if_version`: only this one."""

    path: str
    offset: int
    length: int
    if_version: str


@dataclass(frozen=True)
class Upload:
    """A file that came in parts, `size` bytes in all."""

    upload_id: str
    size: int


@dataclass(frozen=True)
class UploadPart:
    """Bytes of an upload."""

    upload_id: str
    offset: int
    data: bytes
    epoch: int


@dataclass(frozen=True)
class WriteOrder:
    """Write a whole file once for this key. `if_match`: see the proto."""

    write_id: str
    path: str
    source: bytes | Upload
    if_match: str
    executable: bool | None
    epoch: int


@dataclass(frozen=True)
class Written:
    """A file after it was written."""

    etag: str
    size: int
    created: bool
    repeated_call: bool


@dataclass(frozen=True)
class ChangeOrder:
    """Make this folder, once for this key."""

    change_id: str
    path: str
    epoch: int


@dataclass(frozen=True)
class MoveOrder(ChangeOrder):
    """Move this entry."""

    new_path: str
    overwrite: bool


@dataclass(frozen=True)
class RemoveOrder(ChangeOrder):
    """Remove this entry."""

    recursive: bool


@dataclass(frozen=True)
class UnpackOrder(ChangeOrder):
    """Unpack this archive below `path`."""

    source: bytes | Upload
    overwrite: bool


@dataclass(frozen=True)
class Made:
    """The folder is there."""

    created: bool
    repeated_call: bool


@dataclass(frozen=True)
class Moved:
    """It is in its new place."""

    repeated_call: bool


@dataclass(frozen=True)
class Removed:
    """It is gone, with so many entries."""

    removed: int
    repeated_call: bool


@dataclass(frozen=True)
class Unpacked:
    """How much was unpacked."""

    entries: int
    bytes: int
    repeated_call: bool


@dataclass(frozen=True)
class Packed:
    """How much was packed. Always last."""

    entries: int
    bytes: int
    skipped: int


@dataclass(frozen=True)
class SearchOrder:
    """Search names or contents; 0 = the default."""

    path: str
    query: str
    in_names: bool
    regex: bool
    ignore_case: bool
    globs: tuple[str, ...]
    include_hidden: bool
    max_results: int
    time_limit_ms: int


@dataclass(frozen=True)
class Match:
    """One place. `begin` and `end`: characters of `text`."""

    path: str
    line: int
    text: str
    begin: int
    end: int


class SearchEnd(Enum):
    """Why a search ended."""

    COMPLETE = "COMPLETE"
    RESULTS = "RESULTS"
    TIME = "TIME"


@dataclass(frozen=True)
class Searched:
    """How a search ended. Always last."""

    reason: SearchEnd
    files: int
    skipped: int


@dataclass(frozen=True)
class WatchReady:
    """Changes are told from now on. Always first."""

    folders: int
    partial: bool


@dataclass(frozen=True)
class WatchChange:
    """A file, folder or link; `kind`: CREATED, CHANGED or REMOVED."""

    path: str
    kind: str
    directory: bool


@dataclass(frozen=True)
class WatchReload:
    """More has changed than is told: list anew."""


WatchFrame = WatchReady | tuple[WatchChange, ...] | WatchReload
