"""What the use cases need from the world."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from services.sandbox.domain.enclosure import Expected, Finding
from services.sandbox.domain.lifecycle import Ladder, Told
from services.sandbox.domain.models import Arrival, Confinement, Sandbox, State
from services.sandbox.domain.network import NOTHING_ALLOWED, NetworkChoice
from services.sandbox.domain.place import Place as Place
from services.sandbox.domain.pool import PoolStatus, StartsStatus
from services.sandbox.ports.guest import Guest as Guest
from services.sandbox.ports.guest import GuestFiles as GuestFiles
from services.sandbox.ports.stores import Lives as Lives
from services.sandbox.ports.stores import SandboxStore as SandboxStore
from services.sandbox.ports.stores import Shelf as Shelf
from services.sandbox.ports.stores import WarmStore as WarmStore

Stamp: TypeAlias = tuple[int, int]


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

    async def expected(self, body: str = "") -> Expected:
        """What a sandbox promises, and what cannot be had here; empty: a new one. Raises SandboxUnavailable."""

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

    async def pause(self, sandbox: Sandbox) -> bool:
        """Takes the processor from all that is inside; False where there is nothing to pause. Safe to repeat."""

    async def resume(self, sandbox: Sandbox) -> bool:
        """Gives it back; False where the sandbox is not up any more. Safe to repeat."""

    async def condition(self, sandbox: Sandbox) -> str:
        """Why its helper cannot be reached, in words that follow "The sandbox went away:"."""


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

    def state(self, sandbox: Sandbox) -> State:
        """What it can do now."""

    def queue_position(self, sandbox_id: str) -> int:
        """Its place among those that wait for their start, from 1; 0 for one that does not wait."""

    def starts(self) -> StartsStatus:
        """How many are started, and wait for it."""

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

    def touch(self, body: str) -> None:
        """It is used at this moment."""

    def take_uses(self) -> dict[str, datetime]:
        """When sandboxes were last used, by body, those that were since this was asked before."""

    def stamp(self, body: str) -> Stamp:
        """Changes with every use."""

    async def hibernate(self, sandbox: Sandbox, stamp: Stamp | None, told: Told | None, patience: float = 0.0) -> bool:
        """Removes all but its files, if it is idle and was not used since the stamp; without a stamp in any case.

        False where it was put away before. Raises SandboxInUse.
        """

    async def empty(self, sandbox: Sandbox, stamp: Stamp, told: Told) -> bool:
        """Removes its files too, unless it was used since the stamp. Raises SandboxInUse."""

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
    lives: Lives
    shelf: Shelf
    ladder: Ladder
    network: NetworkChoice = NOTHING_ALLOWED
