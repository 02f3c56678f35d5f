"""What happens to sandboxes while no turn works in them, told in the logs of their sessions.

The sandbox service numbers what happens. Each replica reads on from the number that all of them share, and appends
under the transition's key, so that each is told once, whoever is faster and whether anybody owns the session or not.
"""

import asyncio
import contextlib
from functools import partial

from lucid.sessions.v1.event_pb2 import SOURCE_SYSTEM, Event, SandboxChanged

from services.rpc import logs
from services.rpc.errors import LucidError
from services.sessions.domain.errors import SessionNotFound
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.state import BESIDE, TRANSITION
from services.sessions.domain.work import Happened, ToolFailure
from services.sessions.ports import Ports

log = logs.get_logger("lucid.sessions.sandboxes")
CURSOR = "sandbox transitions"
POLL_SECONDS = 2.0
# How a sandbox came up is told by the turn that has asked for it; if that has died meanwhile, it is told here.
LEFT_TO_TURNS_SECONDS = 5.0


class SandboxNews:
    """One per process; they share the work."""

    def __init__(self, ports: Ports, poll_seconds: float = POLL_SECONDS, left: float = LEFT_TO_TURNS_SECONDS) -> None:
        self._ports = ports
        self._poll_seconds = poll_seconds
        self._left = left
        self._seen: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_away = False

    async def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._for_ever(), name="sessions-sandboxes")

    async def stop(self) -> None:
        """Ends; others, or the next one, go on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _for_ever(self) -> None:
        while True:
            try:
                await self.look()
                self._is_away = False
            except (ConnectionError, ToolFailure, LucidError) as error:
                if not self._is_away:
                    log.warning("what happens to sandboxes is not known", extra={"error": type(error).__name__})
                self._is_away = True
            except Exception as error:
                log.error("what happens to sandboxes could not be told", exc_info=error)
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> None:
        """Tells what is new."""
        store = self._ports.store
        after = await store.cursor(CURSOR)
        happened, last = await self._ports.workspace.happened(after)
        if last < after:  # the sandbox service has begun to count again
            await store.move_cursor(CURSOR, after, 0)
            return
        done = after
        for each in happened:
            if self._is_left_to_a_turn(each):
                break
            with contextlib.suppress(SessionNotFound):
                await store.apply(each.session_id, partial(_told, each))
            done = each.number
        if done != after:
            await store.move_cursor(CURSOR, after, done)

    def _is_left_to_a_turn(self, happened: Happened) -> bool:
        if happened.changed.state not in (SandboxChanged.STATE_READY, SandboxChanged.STATE_REBUILT):
            return False
        now = self._ports.clock.monotonic()
        self._seen = {happened.transition_id: self._seen.get(happened.transition_id, now)}
        return now - self._seen[happened.transition_id] < self._left


def _told(happened: Happened, row: SessionRecord) -> Change:
    if row.sandbox_id != happened.changed.sandbox_id:
        return Change()
    labels = {TRANSITION: happened.transition_id, BESIDE: "1"}
    event = Event(source=SOURCE_SYSTEM, labels=labels, sandbox_changed=happened.changed)
    return Change(drafts=(Draft(event, transition_key(happened.transition_id)),), quiet=True)


def transition_key(transition_id: str) -> str:
    """What is told of it is stored under this key."""
    return f"sandbox:{transition_id}"
