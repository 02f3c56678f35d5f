"""What a sandbox answers from inside: its files, commands, terminals and work."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from services.sandbox.domain.commands import CommandPage, InputOrder, LogPart, LogQuery, SignalOrder
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
from services.sandbox.domain.lifecycle import PackedWork, RestoredWork
from services.sandbox.domain.models import (
    CommandOrder,
    DiffOrder,
    DiffPart,
    Edited,
    EditOrder,
    FileRange,
    Frame,
    RecordedTree,
    Restored,
    RestoreOrder,
    Snapshot,
    SnapshotOrder,
    Stats,
    Tree,
)
from services.sandbox.domain.terminals import TerminalFrame, TerminalOrder, TerminalView, Typing


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

    async def checkpoint(self, key: str, limit: int) -> PackedWork:
        """Packs the work that no remote has; at most so many bytes of commits and of files. Raises CheckpointFailed."""

    def read_checkpoint(self, key: str, size: int) -> AsyncGenerator[bytes, None]:
        """The file that was packed under this key."""

    async def drop_checkpoint(self, key: str) -> None:
        """Gives its space back."""

    async def restore_checkpoint(self, key: str, epoch: int, parts: AsyncIterator[bytes]) -> RestoredWork:
        """Applies a checkpoint's file, once for its key. Raises CheckpointFailed, Fenced."""
