"""Owns running sessions: claims them, keeps their leases, drives their turns, and lets them go.

One runner per process holds many sessions on one loop. It finds work by its poll; signals only make it faster.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from lucid.sessions.v1.event_pb2 import Error

from services.rpc import logs
from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sessions.agent import loop, recovery
from services.sessions.agent.journal import Journal
from services.sessions.agent.prepare import PrepareFailed, prepare
from services.sessions.agent.signals import LocalSignals
from services.sessions.agent.titles import Titles
from services.sessions.agent.turns import begin_turn, end_turn
from services.sessions.domain.errors import Fenced, SessionNotFound, StoreUnavailable
from services.sessions.domain.models import Change, Request, SessionRecord
from services.sessions.domain.work import Outcome
from services.sessions.ports import Ports

log = logs.get_logger("lucid.sessions.runner")
# Together with the lease of five seconds: a dead owner's sessions are taken over within six.
POLL_SECONDS = 0.5
# How long a lease that has run out may lie there: it is part of every takeover.
CLAIM_SECONDS = 0.25
CHECKPOINT_SECONDS = 0.25
CLAIM_AT_ONCE = 20


@dataclass
class _Running:
    """A session this process owns. `turn`: the task that a stop or a pause cuts; `cut`: which of them."""

    journal: Journal
    drive: "asyncio.Task[None]"
    turn: "asyncio.Task[Outcome] | None" = None
    cut: Outcome | None = None

    def heed(self, record: SessionRecord) -> None:
        """A stop cuts whatever the turn is at; a pause cuts a model call, and anything else comes to its end."""
        self.journal.pausing = record.pause_requested
        if record.stop_requested:
            self._cut(Outcome.INTERRUPTED)
        elif record.pause_requested and self.journal.in_model_call and self.cut is None:
            self._cut(Outcome.PAUSED)

    def _cut(self, outcome: Outcome) -> None:
        self.cut = outcome
        if self.turn is not None:
            self.turn.cancel()


class Runner:
    """`lease_seconds`: as the store's. `capacity`: sessions at once."""

    def __init__(self, ports: Ports, signals: LocalSignals, lease_seconds: float, capacity: int) -> None:
        self._ports = ports
        self._signals = signals
        self._renew_seconds = lease_seconds / 3
        self._capacity = capacity
        self._worker = new_id("wrk")
        self._running: dict[str, _Running] = {}
        self._saved: dict[tuple[str, str, int], int] = {}
        self._background: list[asyncio.Task[None]] = []
        self._titles = Titles(ports)
        self._leaving = False
        self._looks: set[asyncio.Task[None]] = set()
        signals.on_stop = signals.on_pause = self._look_at
        signals.on_deleted = self._abandon

    async def start(self) -> None:
        """Begins to look for work."""
        for name, step in (("claim", self._claim), ("renew", self._renew), ("checkpoint", self._checkpoint)):
            self._background.append(asyncio.create_task(self._repeat(name, step), name=f"sessions-{name}"))

    async def stop(self) -> None:
        """Hands all sessions over: what is open is kept, the leases are given back at once."""
        # A claim under way comes to its end: what it takes is given back with the rest.
        self._leaving = True
        self._signals.wanted()
        if self._background:
            await asyncio.wait(self._background[:1], timeout=POLL_SECONDS)
        for task in (*self._background, *self._looks):
            task.cancel()
        drives = [running.drive for running in self._running.values()]
        with contextlib.suppress(LucidError):
            await self._save(self._texts())
        for drive in drives:
            drive.cancel()
        await asyncio.gather(*self._background, *self._looks, *drives, self._titles.stop(), return_exceptions=True)
        with contextlib.suppress(LucidError):
            await self._ports.store.release(self._worker)

    async def _repeat(self, name: str, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while not self._leaving:
            try:
                await step()
            except Exception as error:
                log.error("background step failed", extra={"step": name}, exc_info=error)
                await asyncio.sleep(POLL_SECONDS)

    async def _claim(self) -> None:
        # Cleared before the look: a signal that comes while it is made is seen in the next one.
        self._signals.work.clear()
        room = min(self._capacity - len(self._running), CLAIM_AT_ONCE)
        if room > 0:
            # After a sleep of the machine our own leases have run out too: they are renewed, not taken over.
            claimed = await self._ports.store.claim(self._worker, room, list(self._running))
            for record in claimed:
                self._own(record)
            if len(claimed) == room:
                # There may be more, as after the end of a replica; others claim in between.
                return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLAIM_SECONDS):
                await self._signals.work.wait()

    def _own(self, record: SessionRecord) -> None:
        journal = Journal(self._ports, record)
        drive = asyncio.create_task(self._drive(journal), name=f"drive-{record.session_id}")
        self._running[record.session_id] = _Running(journal, drive)
        # Not by the drive itself: one that is cancelled before its first step would never be let go.
        drive.add_done_callback(partial(self._ended, record.session_id))

    async def _renew(self) -> None:
        await asyncio.sleep(self._renew_seconds)
        ids = list(self._running)
        if not ids:
            return
        still_ours = await self._ports.store.renew(self._worker, ids)
        for session_id in ids:
            if session_id not in still_ours:
                self._abandon(session_id)
            elif still_ours[session_id] is not Request.NOTHING:
                self._look_at(session_id)

    async def _checkpoint(self) -> None:
        await asyncio.sleep(CHECKPOINT_SECONDS)
        texts = self._texts()
        grown = {key: data for key, data in texts.items() if self._saved.get(key) != len(data)}
        if grown:
            await self._save(grown)
        self._saved = {key: len(data) for key, data in texts.items()}

    def _texts(self) -> dict[tuple[str, str, int], bytes]:
        return {
            (session_id, item, channel): data
            for session_id in self._running
            for (item, channel), data in self._ports.live.texts(session_id).items()
            if data
        }

    async def _save(self, texts: dict[tuple[str, str, int], bytes]) -> None:
        if texts:
            await self._ports.store.save_progress(texts)

    def _look_at(self, session_id: str) -> None:
        running = self._running.get(session_id)
        if running is not None:
            look = asyncio.create_task(self._look(running), name=f"look-{session_id}")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self, running: _Running) -> None:
        """A signal says only that there is something to see: it may be late, and mean a turn that has ended."""
        # What cannot be read now is found by the next renewal.
        with contextlib.suppress(LucidError):
            while True:
                turn = running.turn
                record = await self._ports.store.get(running.journal.session_id)
                if running.turn is turn:
                    break
            running.heed(record)

    def _abandon(self, session_id: str) -> None:
        running = self._running.get(session_id)
        if running is not None:
            running.drive.cancel()

    def _ended(self, session_id: str, _drive: "asyncio.Task[None]") -> None:
        self._running.pop(session_id, None)
        self._ports.live.drop(session_id)

    async def _drive(self, journal: Journal) -> None:
        fields = {"session": journal.session_id, "lease_epoch": journal.record.lease_epoch}
        log.info("session claimed", extra=fields)
        try:
            await recovery.take_over(journal)
            while journal.state.turn_open or await self._begin(journal):
                if not await self._turn(journal):
                    break
        except (Fenced, SessionNotFound, StoreUnavailable) as error:
            # Without its database nothing is lost: the lease runs out, and whoever claims it then goes on.
            log.info("session let go", extra={**fields, "reason": error.reason})
        except asyncio.CancelledError:
            await self._give_back(journal)
            raise
        except Exception as error:
            log.error("session failed", extra=fields, exc_info=error)
            await self._give_up(journal)

    async def _give_back(self, journal: Journal) -> None:
        with contextlib.suppress(LucidError):
            await journal.transition(lambda _: Change(release_lease=True))

    async def _give_up(self, journal: Journal) -> None:
        """A fault of ours ends the turn instead of being met again by every next owner. Where even that cannot be
        stored, the lease runs out and the next owner goes on."""
        card = Error(
            kind=Error.KIND_INTERNAL,
            code="INTERNAL",
            message="Something went wrong on our side; the log of the server has it. Send a message to try again.",
            user_action=Error.USER_ACTION_RETRY,
        )
        try:
            await journal.append(journal.draft(system=True, error=card))
            await recovery.interrupt(journal)
            await end_turn(journal, Outcome.FAILED, 0.0)
            await self._give_back(journal)
        except Exception as error:
            log.error("session could not be ended", extra={"session": journal.session_id}, exc_info=error)

    async def _begin(self, journal: Journal) -> bool:
        # A stop until here is on the row; one that is heard from now on is for the turn that begins.
        self._running[journal.session_id].cut = None
        return await begin_turn(journal)

    async def _turn(self, journal: Journal) -> bool:
        """One turn to its end, or as far as it goes now. False once the session is to be let go."""
        running = self._running[journal.session_id]
        began = self._ports.clock.monotonic()
        outcome = _cut_before(running)
        if outcome is None:
            self._titles.begin(journal)
            running.turn = asyncio.create_task(_work(journal), name=f"turn-{journal.session_id}")
            outcome = await self._outcome(running)
        if outcome is Outcome.INTERRUPTED:
            await recovery.interrupt(journal)
        elif outcome is Outcome.PAUSED:
            await recovery.take_back(journal)
        elif outcome is Outcome.FAILED:
            await recovery.close_calls(journal)
        running.turn, running.cut = None, None
        return await end_turn(journal, outcome, self._ports.clock.monotonic() - began)

    async def _outcome(self, running: _Running) -> Outcome:
        assert running.turn is not None
        try:
            return await asyncio.shield(running.turn)
        except asyncio.CancelledError:
            if running.turn.cancelled() and running.cut is not None:
                return running.cut
            running.turn.cancel()
            await asyncio.gather(running.turn, return_exceptions=True)
            raise


def _cut_before(running: _Running) -> Outcome | None:
    """What a person has asked for before this owner began: nothing is begun for it."""
    state = running.journal.state
    if state.stopping or running.cut is Outcome.INTERRUPTED:
        return Outcome.INTERRUPTED
    return Outcome.PAUSED if running.journal.pausing and not state.open_commands else None


async def _work(journal: Journal) -> Outcome:
    try:
        await prepare(journal)
        return await loop.run_turn(journal)
    except PrepareFailed:
        return Outcome.FAILED
    except ConnectionError as error:
        return await _unreachable(journal, error)
    finally:
        await journal.leave()


async def _unreachable(journal: Journal, error: ConnectionError) -> Outcome:
    log.warning("a service cannot be reached", extra={"session": journal.session_id, "error": str(error)})
    card = Error(
        kind=Error.KIND_TRANSIENT,
        code="SERVICE_UNREACHABLE",
        message="The sandbox or the git service cannot be reached. Send a message to try again.",
        user_action=Error.USER_ACTION_RETRY,
    )
    await journal.append(journal.draft(system=True, error=card))
    await recovery.interrupt(journal)
    return Outcome.FAILED
