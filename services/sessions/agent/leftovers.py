"""Removes what deleted sessions have left behind, until it is surely gone.

The deletion itself tries at once. It may fail, because a service is away, or come too early: an owner in another
process that has not heard of it brings the sandbox back once more. So everything is removed again, until that succeeds.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from services.rpc import logs
from services.rpc.errors import LucidError
from services.sessions.domain.models import Leftover, SessionRecord, State
from services.sessions.domain.work import ToolFailure
from services.sessions.ports import Ports

log = logs.get_logger("lucid.sessions.leftovers")
POLL_SECONDS = 5.0
AT_ONCE = 20
ATTEMPT_SECONDS = 30.0


async def remove(ports: Ports, leftover: Leftover) -> bool:
    """Whether gate and sandbox are gone. What hinders is logged; what is wrong with us is raised."""
    record = _record(leftover)
    ends = (ports.forge.close_gate(record), ports.workspace.delete(record))
    gone = True
    for result in await asyncio.gather(*map(_bounded, ends), return_exceptions=True):
        if isinstance(result, ToolFailure | ConnectionError | TimeoutError | LucidError):
            log.warning("left behind for now", extra={"session": leftover.session_id, "error": type(result).__name__})
            gone = False
        elif isinstance(result, BaseException):
            raise result
    return gone


class Sweeper:
    """One per process; they share the work."""

    def __init__(self, ports: Ports, poll_seconds: float = POLL_SECONDS) -> None:
        self._ports = ports
        self._poll_seconds = poll_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._for_ever(), name="sessions-leftovers")

    async def stop(self) -> None:
        """Ends; what was not done is done by the next one."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:
                log.error("leftovers could not be looked after", exc_info=error)
            await asyncio.sleep(self._poll_seconds)

    async def sweep(self) -> None:
        """Removes what is due."""
        taken = await self._ports.store.take_leftovers(AT_ONCE)
        done = await asyncio.gather(*(remove(self._ports, leftover) for leftover in taken))
        for leftover, gone in zip(taken, done, strict=True):
            if gone:
                await self._ports.store.forget_leftover(leftover.session_id)


async def _bounded(end: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(ATTEMPT_SECONDS):
        await end


def _record(leftover: Leftover) -> SessionRecord:
    """As much of the session as gate and sandbox are known by."""
    return SessionRecord(
        session_id=leftover.session_id,
        owner_id=leftover.owner_id,
        title="",
        task="",
        state=State.IDLE,
        model="",
        sandbox_id=leftover.sandbox_id,
    )
