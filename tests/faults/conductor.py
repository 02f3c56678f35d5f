"""Waits until a worker stands where a fault is to happen, lets it happen, and tells the worker to go on."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Reached:
    """Who stands where."""

    point: str
    session: str
    worker: str


Fault = Callable[[Reached], Awaitable[None]]


@dataclass
class Trap:
    """A fault that waits for its moment, once. No `sessions` means any.

    `reached` is set when the moment comes, `sprung` once the fault is over: work may well be done before a pause is.
    """

    point: str
    sessions: Collection[str]
    fault: Fault
    after: int = 0
    reached: bool = False
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    failed: Exception | None = None

    async def spring(self, reached: Reached) -> None:
        """Lets it happen; what goes wrong in it is kept for the one who has set it."""
        try:
            await self.fault(reached)
        except Exception as error:
            self.failed = error
        finally:
            self.sprung.set()


class Conductor:
    """Listens on a Unix socket at `address`. `counts` says how often each point was reached, `owners` who was the last
    to claim a session."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.counts: dict[str, int] = {}
        self.owners: dict[str, str] = {}
        self._traps: list[Trap] = []
        self._claimed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begins to listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.address)

    async def stop(self) -> None:
        """No more points."""
        if self._server is not None:
            self._server.close()

    def set(self, trap: Trap) -> Trap:
        """Arms a trap; `after` so many others that would have sprung it."""
        self._traps.append(trap)
        return trap

    def clear(self) -> None:
        """Disarms what has not sprung."""
        self._traps.clear()

    def disarm(self, trap: Trap) -> None:
        """It will not spring any more, unless it was reached already."""
        if trap in self._traps:
            self._traps.remove(trap)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: set[asyncio.Task[None]] = set()
        with suppress(OSError, RuntimeError):
            while line := await reader.readline():
                said = json.loads(line)
                reached = Reached(said["point"], said["session"], said["worker"])
                if reached.point == "claimed":
                    async with self._claimed:
                        self.owners[reached.session] = reached.worker
                        self._claimed.notify_all()
                trap = self._trap_at(reached)
                if trap is None:
                    writer.write(b"%d\n" % said["n"])
                    continue
                task = asyncio.create_task(self._spring(trap, reached, writer, said["n"]))
                waiting.add(task)
                task.add_done_callback(waiting.discard)

    async def taken_over(self, session: str, worker: str) -> None:
        """Waits until another worker than this one has claimed the session."""
        async with self._claimed:
            await self._claimed.wait_for(lambda: self.owners.get(session, worker) != worker)

    async def at(self, point: str, session: str) -> None:
        """A point outside of the workers: it stands for the session's owner."""
        reached = Reached(point, session, self.owners.get(session, ""))
        if trap := self._trap_at(reached):
            await trap.spring(reached)

    def _trap_at(self, reached: Reached) -> Trap | None:
        self.counts[reached.point] = self.counts.get(reached.point, 0) + 1
        for trap in self._traps:
            if trap.point == reached.point and (not trap.sessions or reached.session in trap.sessions):
                if trap.after:
                    trap.after -= 1
                    return None
                self._traps.remove(trap)
                trap.reached = True
                return trap
        return None

    async def _spring(self, trap: Trap, reached: Reached, writer: asyncio.StreamWriter, number: int) -> None:
        await trap.spring(reached)
        # RuntimeError: uvloop's word for a process that was killed meanwhile.
        with suppress(OSError, RuntimeError):
            writer.write(b"%d\n" % number)
            await writer.drain()
