"""Which sandboxes have changed, by number: a watcher that comes back says the last number that it has seen.

Only that something has changed is kept, not what: a watcher is told how it is now. After a restart of the service, or
behind more changes than are kept, the number means nothing, and the watcher is told everything.
"""

import asyncio
from collections import OrderedDict

from services.rpc.ids import new_ulid

KEPT = 10_000


class Changes:
    """See ports.Changes."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._order = new_ulid()
        self._number = 0
        self._forgotten = 0
        self._last: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._next = asyncio.Event()

    @property
    def revision(self) -> str:
        """See ports.Changes."""
        return f"{self._order}.{self._number}"

    def touch(self, owner_id: str, sandbox_id: str) -> None:
        """This one has changed."""
        self._number += 1
        self._last[sandbox_id] = (self._number, owner_id)
        self._last.move_to_end(sandbox_id)
        if len(self._last) > self._kept:
            _, (self._forgotten, _) = self._last.popitem(last=False)
        self._next.set()
        self._next = asyncio.Event()

    def since(self, revision: str, owner_id: str | None) -> set[str] | None:
        """See ports.Changes."""
        number = self._place(revision)
        if number is None or not self._forgotten <= number <= self._number:
            return None
        found = set()
        for sandbox_id in reversed(self._last):
            changed, owner = self._last[sandbox_id]
            if changed <= number:
                break
            if owner_id in (None, owner):
                found.add(sandbox_id)
        return found

    async def after(self, revision: str) -> None:
        """See ports.Changes."""
        while self._place(revision) == self._number:
            await self._next.wait()

    def _place(self, revision: str) -> int | None:
        order, _, number = revision.partition(".")
        return int(number) if order == self._order and number.isascii() and number.isdigit() else None
