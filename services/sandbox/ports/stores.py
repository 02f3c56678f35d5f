"""What is kept of sandboxes outside of them: rows, what became of them, the files of their work."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Protocol

from services.sandbox.domain.lifecycle import Checkpoint, Life, Told, Transition, What
from services.sandbox.domain.models import Sandbox
from services.sandbox.domain.pool import WarmSandbox


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
        """Records last uses, by body."""

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
