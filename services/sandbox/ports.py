"""What the use cases need from the world."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

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
from services.sandbox.domain.lifecycle import Checkpoint, Ladder, Life, PackedWork, Restored, Told, Transition, What
from services.sandbox.domain.models import (
    Arrival,
    CommandOrder,
    Confinement,
    Edited,
    EditOrder,
    FileRange,
    Frame,
    Sandbox,
    Snapshot,
    State,
    Tree,
)
from services.sandbox.domain.network import NOTHING_ALLOWED, NetworkChoice

Stamp: TypeAlias = tuple[int, int]


class Attachment(Protocol):
    """A byte stream to a process inside a sandbox."""

    async def read(self) -> bytes:
        """Some bytes; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises GuestLost when the other side has gone."""

    async def close(self) -> None:
        """Ends the stream; the process decides what that means to it. Never raises."""


@dataclass(frozen=True)
class Place:
    """Paths as they are seen inside, and what runs the helper. `own_namespace`: no foreign process is seen there.

    `bash`: how one is started where the place has none. `programs`: a folder with those that may be missing, and
    `own_programs`: the helper's are those, whatever the place has. `variables`: those that the image sets.
    """

    workspace: str
    state: str
    run: str
    python: tuple[str, ...]
    own_namespace: bool
    bash: tuple[str, ...] = ()
    programs: str = ""
    own_programs: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


class Launcher(Protocol):
    """One way to confine: the life of sandboxes, nothing of what happens inside."""

    @property
    def confinement(self) -> Confinement:
        """Which."""

    def place(self, sandbox_id: str) -> Place:
        """Where things lie inside."""

    async def image(self, asked: str) -> str:
        """The image of a new sandbox: the one asked for, or our own; empty where there are none.

        Raises ImageNotAllowed, NoSuchImage, ImageUnsuitable, SandboxUnavailable.
        """

    def images(self) -> tuple[str, ...]:
        """Those that may be asked for, the default first; `*` in one stands for any characters."""

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """Makes it, or finds it running without a helper; `run_directory` (host) is mounted read-only.

        Raises SandboxUnavailable, NoSuchImage, ImageUnsuitable.
        """

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """Starts a program inside, with pipes. Raises SandboxUnavailable."""

    async def remove(self, sandbox_id: str, keep_workspace: bool) -> None:
        """Ends everything inside; removes the workspace too unless it is kept. Safe to repeat."""

    async def survey(self) -> set[str]:
        """Ids of this instance's sandboxes of which anything is there: a container, a folder, a volume."""

    async def pause(self, sandbox_id: str) -> bool:
        """Takes the processor from all that is inside; False where there is nothing to pause. Safe to repeat."""

    async def resume(self, sandbox_id: str) -> bool:
        """Gives it back; False where the sandbox is not up any more. Safe to repeat."""

    async def condition(self, sandbox_id: str) -> str:
        """Why its helper cannot be reached, in words that follow "The sandbox went away:"."""


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

    async def stop(self, command_id: str) -> int:
        """Ends a command, or all for the empty id; how many processes that were."""

    async def read_file(self, path: str, offset: int, limit: int) -> FileRange:
        """A range of a file."""

    async def edit_file(self, order: EditOrder) -> Edited:
        """Applies an edit once for its key."""

    async def snapshot(self, path: str, since_tree: str, epoch: int) -> Snapshot:
        """Records the tree."""

    async def checkpoint(self, key: str, limit: int) -> PackedWork:
        """Packs the work that no remote has; at most so many bytes of commits and of files. Raises CheckpointFailed."""

    def read_checkpoint(self, key: str, size: int) -> AsyncGenerator[bytes, None]:
        """The file that was packed under this key."""

    async def drop_checkpoint(self, key: str) -> None:
        """Gives its space back."""

    async def restore(self, key: str, epoch: int, parts: AsyncIterator[bytes]) -> Restored:
        """Applies a checkpoint's file, once for its key. Raises CheckpointFailed, Fenced."""


class Fleet(Protocol):
    """All sandboxes of this instance that are up, each with its guest and its socket to the git gate."""

    async def confinement(self) -> Confinement:
        """The one for a new sandbox. Raises NoConfinement."""

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

    def may_run(self, sandbox_id: str) -> bool:
        """Whether it is worth while to look for it. Cheap."""

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

    def ready(self) -> int:
        """How many sandboxes take commands."""

    def workspace(self, sandbox: Sandbox) -> str:
        """Absolute path of its workspace inside."""

    async def pause(self, sandbox: Sandbox, patience: float = 0.0) -> bool:
        """Pauses it if it is idle; False where there is nothing to pause. Waits so long for calls to end.

        Without `patience` a background process that uses the processor counts as work too. Raises SandboxInUse.
        """

    async def resume(self, sandbox: Sandbox) -> bool:
        """Wakes it, if it is paused; whether it was."""

    async def quiet_guest(self, sandbox: Sandbox) -> Guest:
        """The way in that counts as no use, and of which nothing is told. Brings it up where it is not."""

    async def must_be_idle(self, sandbox: Sandbox, patience: float) -> None:
        """Raises SandboxInUse with what is at work inside; as for `pause`."""

    def touch(self, sandbox_id: str) -> None:
        """It is used at this moment."""

    def take_uses(self) -> dict[str, datetime]:
        """When sandboxes were last used, those that were since this was asked before."""

    def stamp(self, sandbox_id: str) -> Stamp:
        """Changes with every use."""

    async def hibernate(self, sandbox: Sandbox, stamp: Stamp | None, told: Told | None, patience: float = 0.0) -> bool:
        """Removes all but its files, if it is idle and was not used since the stamp; without a stamp in any case.

        False where it was put away before. Raises SandboxInUse.
        """

    async def empty(self, sandbox: Sandbox, stamp: Stamp, told: Told) -> bool:
        """Removes its files too, unless it was used since the stamp. Raises SandboxInUse."""

    async def survey(self) -> set[str]:
        """Ids of this instance's sandboxes of which anything is there, known or not."""

    async def remove_orphan(self, sandbox_id: str) -> None:
        """Removes what is left of a sandbox that nobody knows."""


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

    async def ids(self) -> set[str]:
        """All that are known."""


class Lives(Protocol):
    """What becomes of sandboxes, as all services of this database see it, and what is told of it in one order."""

    async def move(
        self, sandbox_id: str, was: frozenset[Life], life: Life, now: datetime, told: Told | None = None
    ) -> str | None:
        """Changes a life that is one of `was`, and tells of it in the same step.

        The transition's id, empty where nothing is told; None where the life was another one.
        """

    async def tell(self, sandbox_id: str, now: datetime, told: Told) -> str | None:
        """Tells without a change. The transition's id; None where there is no such sandbox."""

    async def life(self, sandbox_id: str) -> Life | None:
        """As the row has it; None for one that was taken down, or is not there."""

    async def warn(self, sandbox: Sandbox, now: datetime, told: Told) -> bool:
        """Tells once between two uses."""

    async def touch(self, uses: Mapping[str, datetime]) -> None:
        """Records last uses."""

    async def living(self) -> list[Sandbox]:
        """Those that have a container or files, as far as is known."""

    async def transitions(self, after: int, limit: int) -> tuple[list[Transition], int]:
        """Those with a higher number, in order, and the highest number of all."""

    async def last_told(self, sandbox_id: str, what: tuple[What, ...]) -> Transition | None:
        """The last one of these kinds."""

    async def trim(self, before: datetime) -> None:
        """Forgets older transitions; never the last one."""

    async def keep(self, checkpoint: Checkpoint, request_id: str) -> None:
        """Adds a checkpoint."""

    async def checkpoints(
        self, sandbox_id: str, limit: int, before: str = "", request_id: str = ""
    ) -> list[Checkpoint]:
        """A sandbox's, newest first; `before`: only older ones than this."""

    async def drop(self, checkpoint_ids: list[str]) -> None:
        """Forgets checkpoints."""


class Shelf(Protocol):
    """The files of checkpoints. Raises CheckpointNotFound for one that is not there."""

    async def put(self, sandbox_id: str, checkpoint_id: str, parts: AsyncIterator[bytes]) -> int:
        """Keeps a file, whole or not at all; its size."""

    async def size(self, sandbox_id: str, checkpoint_id: str) -> int:
        """Of a file."""

    async def read(self, sandbox_id: str, checkpoint_id: str, offset: int, limit: int) -> bytes:
        """A range of it."""

    async def remove(self, sandbox_id: str, checkpoint_id: str) -> None:
        """Safe to repeat."""

    async def clear(self, sandbox_id: str) -> None:
        """Removes all of a sandbox. Safe to repeat."""


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
    lives: Lives
    shelf: Shelf
    ladder: Ladder
    network: NetworkChoice = NOTHING_ALLOWED
