"""Which sandboxes may start now: so many at once, so many at all. The others wait, and the users take turns."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from services.rpc.errors import LucidError
from services.sandbox.domain.errors import SandboxUnavailable, Stopping


@dataclass(eq=False)
class _Ticket:
    owner_id: str
    sandbox_id: str
    admitted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Admission:
    """`at_once`: how many start at the same time; `limit`: how many there are at all, 0 = as many as are asked for.

    `there`: ids of those that are up. `tell` is called with owner and id of each whose place in line has changed.
    """

    def __init__(
        self, at_once: int, limit: int, there: Callable[[], set[str]], tell: Callable[[str, str], None]
    ) -> None:
        self.at_once = at_once
        self.limit = limit
        self._there = there
        self._tell = tell
        self._waiting: OrderedDict[str, deque[_Ticket]] = OrderedDict()
        self._starting: list[str] = []
        self._calm = asyncio.Event()
        self._calm.set()

    @property
    def starting(self) -> int:
        """How many start now."""
        return len(self._starting)

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return sum(map(len, self._waiting.values()))

    async def enter(self, owner_id: str, sandbox_id: str) -> None:
        """Returns when it may start; `release` follows. Who is cancelled has left the line.

        Raises SandboxUnavailable when it is taken down meanwhile, Stopping.
        """
        ticket = _Ticket(owner_id, sandbox_id)
        self._waiting.setdefault(owner_id, deque()).append(ticket)
        self.look()
        if not ticket.admitted.done():
            self._tell(owner_id, sandbox_id)
        try:
            await ticket.admitted
        except asyncio.CancelledError:
            if ticket.admitted.done() and not ticket.admitted.cancelled():
                self.release(sandbox_id)
            else:
                self._forget(ticket)
            raise

    def release(self, sandbox_id: str) -> None:
        """It has started, or has failed to."""
        self._starting.remove(sandbox_id)
        self.look()

    def look(self) -> None:
        """Lets in whoever may come now. Called when anything has changed that could let somebody in."""
        admitted = False
        while self._waiting and self._has_room():
            ticket = self._next()
            if not ticket.admitted.done():
                self._starting.append(ticket.sandbox_id)
                ticket.admitted.set_result(None)
                self._tell(ticket.owner_id, ticket.sandbox_id)
                admitted = True
        if admitted:
            self._tell_all()
        if self._starting or self._waiting:
            self._calm.clear()
        else:
            self._calm.set()

    def position(self, sandbox_id: str) -> int:
        """Its place in line, from 1; 0 for one that does not wait."""
        return next((place for place, ticket in enumerate(self._line(), 1) if ticket.sandbox_id == sandbox_id), 0)

    def dismiss(self, sandbox_id: str) -> None:
        """It is wanted no more."""
        self._refuse([t for t in self._line() if t.sandbox_id == sandbox_id], lambda: SandboxUnavailable())

    def close(self) -> None:
        """Sends everybody away."""
        self._refuse(self._line(), lambda: Stopping())

    async def calm(self) -> None:
        """Returns when nothing starts and nobody waits."""
        await self._calm.wait()

    def _has_room(self) -> bool:
        if len(self._starting) >= self.at_once:
            return False
        return not self.limit or len(self._there() | {*self._starting}) < self.limit

    def _next(self) -> _Ticket:
        owner_id, tickets = self._waiting.popitem(last=False)
        ticket = tickets.popleft()
        if tickets:  # its turn comes again after everybody else's
            self._waiting[owner_id] = tickets
        return ticket

    def _line(self) -> list[_Ticket]:
        rounds = max(map(len, self._waiting.values()), default=0)
        return [tickets[turn] for turn in range(rounds) for tickets in self._waiting.values() if turn < len(tickets)]

    def _forget(self, ticket: _Ticket) -> None:
        tickets = self._waiting.get(ticket.owner_id)
        if tickets is None or ticket not in tickets:
            return
        tickets.remove(ticket)
        if not tickets:
            del self._waiting[ticket.owner_id]
        self._tell_all()
        self.look()

    def _refuse(self, tickets: list[_Ticket], why: Callable[[], LucidError]) -> None:
        for ticket in tickets:
            if not ticket.admitted.done():
                ticket.admitted.set_exception(why())
            self._forget(ticket)

    def _tell_all(self) -> None:
        for ticket in self._line():
            self._tell(ticket.owner_id, ticket.sandbox_id)
