"""What the use cases need from the world."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.sandbox.domain.commands import CommandPage, InputOrder, LogPart, LogQuery, SignalOrder
from services.sandbox.domain.enclosure import Expected, Finding
from services.sandbox.domain.files import (
    ChangeOrder,
    DownloadOrder,
    FileInfo,
    Made,
    Match,
    Moved,
    MoveOrder,
    Packed,
    Removed,
    RemoveOrder,
    Searched,
    SearchOrder,
    TreeOrder,
    Unpacked,
    UnpackOrder,
    UploadPart,
    WatchFrame,
    WriteOrder,
    Written,
)
from services.sandbox.domain.models import (
    Arrival,
    CommandOrder,
    Confinement,
    DiffOrder,
    DiffPart,
    Edited,
    EditOrder,
    FileRange,
    Frame,
    PoolStatus,
    RecordedTree,
    Restored,
    RestoreOrder,
    Sandbox,
    Snapshot,
    SnapshotOrder,
    StartsStatus,
    State,
    Stats,
    Tree,
    WarmSandbox,
)
from services.sandbox.domain.network import NOTHING_ALLOWED, NetworkChoice
from services.sandbox.domain.place import Place as Place
from services.sandbox.domain.terminals import TerminalFrame, TerminalOrder, TerminalView, Typing


class Attachment(Protocol):
    """A byte stream to a process inside a sandbox."""

    async def read(self) -> bytes:
        """Some bytes; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises GuestLost when the other side has gone."""

    async def close(self) -> None:
        """Ends the stream; the process decides what that means to it. Never raises."""


class Launcher(Protocol):
    """One way to confine: the life of sandboxes, nothing of what happens inside."""

    @property
    def confinement(self) -> Confinement:
        """Which."""

    def place(self, body: str) -> Place:
        """Where things lie inside."""

    async def image(self, asked: str) -> str:
        """The image of a new sandbox: the one asked for, or our own; empty where there are none.

        Raises ImageNotAllowed, NoSuchImage, ImageUnsuitable, SandboxUnavailable.
        """

    def images(self) -> tuple[str, ...]:
        """Those that may be asked for, the default first; `*` in one stands for any characters."""

    async def expected(self) -> Expected:
        """What its sandboxes promise, and what cannot be had here. Raises SandboxUnavailable."""

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """Makes it, or finds it running without a helper; `run_directory` (host) is mounted read-only.

        Raises SandboxUnavailable, NoSuchImage, ImageUnsuitable.
        """

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """Starts a program inside, with pipes. Raises SandboxUnavailable."""

    async def recipe(self, sandbox: Sandbox) -> str:
        """All that a new one would be made of, limits and the image's own id; empty if none may be made beforehand.

        Raises SandboxUnavailable.
        """

    async def rename(self, sandbox: Sandbox) -> None:
        """Gives one that was made beforehand the name of whom it belongs to. Raises SandboxUnavailable."""

    async def remove(self, body: str, keep_workspace: bool) -> None:
        """Ends everything inside; removes the workspace too unless it is kept. Safe to repeat."""

    async def survey(self) -> set[str]:
        """Bodies of this instance's sandboxes of which anything is there: a container, a folder, a volume."""


class GuestFiles(Protocol):
    """The files of one sandbox. Calls raise as Guest's, and the refusals that files.proto names."""

    async def stat(self, path: str, follow: bool, with_etag: bool) -> FileInfo:
        """What is known of an entry."""

    async def list_tree(self, order: TreeOrder) -> Tree:
        """A page of the tree."""

    def download(self, order: DownloadOrder) -> AsyncGenerator[FileInfo | bytes, None]:
        """What the file is, then its bytes."""

    async def write_part(self, part: UploadPart) -> int:
        """Keeps a part; how many bytes have come."""

    async def write(self, order: WriteOrder) -> Written:
        """Writes a file once for its key."""

    async def make_directory(self, order: ChangeOrder) -> Made:
        """Makes a folder."""

    async def move(self, order: MoveOrder) -> Moved:
        """Moves an entry once for its key."""

    async def remove(self, order: RemoveOrder) -> Removed:
        """Removes an entry once for its key."""

    def search(self, order: SearchOrder) -> AsyncGenerator[tuple[Match, ...] | Searched, None]:
        """Matches as they are found; Searched last."""

    def watch(self) -> AsyncGenerator[WatchFrame, None]:
        """WatchReady first; ends only when the caller leaves."""

    def pack(self, path: str, leave_out_made: bool) -> AsyncGenerator[bytes | Packed, None]:
        """A folder as an archive; Packed last."""

    async def unpack(self, order: UnpackOrder) -> Unpacked:
        """Unpacks an archive once for its key."""


class Guest(Protocol):
    """The helper inside one sandbox. Calls raise GuestLost when it goes away, Fenced for an epoch of the past."""

    @property
    def files(self) -> GuestFiles:
        """What else can be asked about its files."""

    def run(self, order: CommandOrder) -> AsyncGenerator[Frame, None]:
        """Started, outputs, exit. Leaving the iteration leaves the command running."""

    async def stats(self) -> Stats:
        """What the sandbox uses now."""

    async def stop(self, command_id: str) -> int:
        """Ends a command, or all for the empty id; how many processes that were."""

    def attach(self, command_id: str, from_offset: int) -> AsyncGenerator[Frame, None]:
        """As `run`, for one that was started. Raises CommandNotFound."""

    async def write_stdin(self, order: InputOrder) -> int:
        """Bytes accepted so far. Raises CommandNotFound, InputClosed, InputGap."""

    async def close_stdin(self, command_id: str, epoch: int) -> None:
        """Ends its input. Raises CommandNotFound."""

    async def signal_command(self, order: SignalOrder) -> int:
        """How many processes got it. Raises CommandNotFound."""

    async def list_commands(self, page_size: int, page_token: str, active_only: bool) -> CommandPage:
        """Newest first."""

    async def read_command_log(self, query: LogQuery) -> LogPart:
        """A part of the kept output. Raises CommandNotFound."""

    def open_terminal(self, order: TerminalOrder) -> AsyncGenerator[TerminalFrame, None]:
        """Started, outputs, exit. Leaving the iteration leaves it open. Raises TerminalNotFound, SandboxBusy."""

    async def write_terminal(self, typing: Typing) -> int:
        """This writer's bytes accepted so far. Raises TerminalNotFound, InputClosed, InputGap."""

    async def resize_terminal(self, terminal_id: str, columns: int, rows: int) -> None:
        """Changes its size. Raises TerminalNotFound."""

    async def close_terminal(self, terminal_id: str) -> None:
        """Ends it, if it is there."""

    async def list_terminals(self) -> tuple[TerminalView, ...]:
        """Those that are open."""

    async def read_file(self, path: str, offset: int, limit: int) -> FileRange:
        """A range of a file."""

    async def edit_file(self, order: EditOrder) -> Edited:
        """Applies an edit once for its key."""

    async def snapshot(self, order: SnapshotOrder) -> Snapshot:
        """Records the tree."""

    async def list_snapshots(self, path: str, size: int, before: int) -> tuple[list[RecordedTree], int]:
        """What was recorded, the newest first, below a number (0 = all); and where to go on (0 = that was all)."""

    def diff_snapshots(self, order: DiffOrder) -> AsyncGenerator[DiffPart, None]:
        """What is different, in parts; the totals last."""

    async def restore_snapshot(self, order: RestoreOrder) -> Restored:
        """Goes back to a tree once for the key."""


class Fleet(Protocol):
    """All sandboxes of this instance that are up, each with its guest and its socket to the git gate."""

    async def confinement(self) -> Confinement:
        """The one for a new sandbox. Raises NoConfinement."""

    async def lacks(self, confinement: Confinement) -> tuple[str, ...]:
        """What its sandboxes miss of all that could close them off, in words for people."""

    def findings(self, confinement: Confinement) -> tuple[Finding, ...]:
        """What was seen inside the last kind of them that was started; empty before the first."""

    async def image(self, confinement: Confinement, asked: str) -> str:
        """The image of a new sandbox; empty where there are none.

        Raises ImageNotAllowed, NoSuchImage, ImageUnsuitable, SandboxUnavailable.
        """

    def images(self, confinement: Confinement) -> tuple[str, ...]:
        """Those that may be asked for, the default first; none where there are no images."""

    async def bring_up(self, sandbox: Sandbox) -> Arrival:
        """Makes it take commands, on the workspace that it has or a new one.

        Raises SandboxUnavailable, NoSuchImage, ImageUnsuitable.
        """

    async def guest(self, sandbox: Sandbox) -> Guest:
        """The way in; brings the sandbox up first where it is not."""

    async def find(self, sandbox: Sandbox) -> None:
        """Connects to it again if it runs, which may be since before this process; nothing where it does not."""

    def may_run(self, body: str) -> bool:
        """Whether it is worth while to look for it. Cheap."""

    @property
    def changes(self) -> "Changes":
        """What becomes of sandboxes, as it happens."""

    def changed(self, sandbox: Sandbox) -> None:
        """Its row has changed, or is gone."""

    def attached(self, sandbox_id: str) -> Sandbox | None:
        """The row of one that is connected, as it was last seen.

        It tells truly whose the sandbox is, and that it was not taken down: that would have ended the connection. Its
        epoch may have been overtaken; the guest knows, and refuses.
        """

    def renew(self, sandbox: Sandbox) -> None:
        """Replaces what `attached` answers, if the sandbox is connected."""

    async def take_down(self, sandbox: Sandbox, keep_workspace: bool) -> None:
        """Ends it. Safe to repeat."""

    def state(self, sandbox_id: str) -> State:
        """What it can do now."""

    def queue_position(self, sandbox_id: str) -> int:
        """Its place among those that wait for their start, from 1; 0 for one that does not wait."""

    def starts(self) -> StartsStatus:
        """How many are started, and wait for it."""

    def ready(self) -> int:
        """How many sandboxes take commands."""

    def workspace(self, sandbox: Sandbox) -> str:
        """Absolute path of its workspace inside."""

    async def survey(self) -> set[str]:
        """Bodies of this instance's sandboxes of which anything is there, known or not."""

    async def remove_orphan(self, body: str) -> None:
        """Removes what is left of a sandbox that nobody knows."""


class Changes(Protocol):
    """Which sandboxes have changed, in an order that a watcher can come back to."""

    @property
    def revision(self) -> str:
        """The place where the order stands now."""

    def since(self, revision: str, owner_id: str | None) -> set[str] | None:
        """Ids of an owner's (None: everybody's) that have changed after a place; None where that is not known."""

    async def after(self, revision: str) -> None:
        """Returns when the order stands behind this place."""


class SandboxStore(Protocol):
    """The rows."""

    async def get(self, sandbox_id: str) -> Sandbox | None:
        """One, or None."""

    async def put(self, sandbox: Sandbox) -> Sandbox:
        """Adds it, or renews git_config and `removed` of the row with its id. Returns the row as it is now."""

    async def reconfigure(self, sandbox: Sandbox) -> Sandbox:
        """Renews image, env and `removed`. Returns the row as it is now. Raises SandboxNotFound."""

    async def raise_epoch(self, sandbox_id: str, epoch: int) -> bool:
        """Records an epoch unless a higher one was seen; whether it may go on."""

    async def mark_removed(self, sandbox_id: str) -> None:
        """Taken down, workspace kept."""

    async def delete(self, sandbox_id: str) -> None:
        """Forgets it."""

    async def page(self, owner_id: str | None, before: str, limit: int) -> list[Sandbox]:
        """An owner's (None: everybody's), the youngest id first, from below `before`; empty = from the beginning."""

    async def bodies(self) -> dict[str, str]:
        """What all go by on this machine, and the id of each: empty for one that nobody has claimed yet."""


class WarmStore(Protocol):
    """The rows of sandboxes that are made beforehand, of this data folder."""

    @property
    def instance(self) -> str:
        """The data folder's id."""

    async def all(self) -> list[WarmSandbox]:
        """The oldest first."""

    async def add(self, warm: WarmSandbox) -> None:
        """A new one, before anything of it is made."""

    async def mark_ready(self, warm_id: str) -> bool:
        """It may be claimed; whether it is still known."""

    async def drop(self, warm_id: str) -> bool:
        """Forgets it, unless somebody was faster: whether it is now the caller's to remove."""

    async def claim(self, sandbox: Sandbox) -> bool:
        """In one transaction the warm one is no more and the sandbox is a row; whether that happened."""


class Pool(Protocol):
    """Sandboxes that are made beforehand."""

    async def claim(self, sandbox: Sandbox) -> Sandbox | None:
        """The sandbox on one of them, stored; None where none suits."""

    def status(self) -> PoolStatus:
        """As it is now."""

    def resize(self, size: int) -> None:
        """How many there shall be from now on, until the service ends."""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """UTC."""


@dataclass(frozen=True)
class Ports:
    """Everything a use case is given."""

    store: SandboxStore
    fleet: Fleet
    clock: Clock
    pool: Pool
    network: NetworkChoice = NOTHING_ALLOWED
