"""Puts the real agent, store and use cases around the players, and plays a recording to its end."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from google.protobuf.json_format import ParseDict
from lucid.sessions.v1.event_pb2 import Event, ModelSelected
from lucid.sessions.v1.sessions_pb2 import Session

from services.rpc.errors import LucidError
from services.sessions.agent.runner import Runner
from services.sessions.agent.signals import LocalSignals
from services.sessions.agent.titles import NONE
from services.sessions.domain.models import Confirmation, Lease, NewSession, Policy, Repository
from services.sessions.domain.policy import from_budget
from services.sessions.domain.spending import CUT_SHORT, PURPOSE, Measure
from services.sessions.ports import Limits, Ports, Transition
from services.sessions.replay.model import PlayedModel
from services.sessions.replay.person import PERSON, Person
from services.sessions.replay.place import PlayedPlace, gate_of
from services.sessions.replay.recording import Recording, difference, is_persons, is_stop
from services.sessions.replay.script import Script
from services.sessions.replay.surroundings import environment_of
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.watching import LiveWatching
from services.sessions.usecases.create_session import create_session

LEASE_SECONDS = 600.0
# Nothing waits for anything outside: what has not come by then does not come.
QUIET_SECONDS = 5.0
NUDGE_SECONDS = 1.0
STOP_SECONDS = 2.0


class HeldStore(SqlEventStore):
    """Lets the agent store only when no person's event comes first, so that everything comes in the recorded order."""

    script: Script
    moved: asyncio.Condition

    async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
        """As the store, an owner's changes in their turn."""
        if lease is not None:
            await self._persons_first()
        return await super().apply(session_id, transition, lease)

    async def _persons_first(self) -> None:
        script = self.script
        while script.head < len(script.events) and is_persons(script.events[script.head]):
            script.hanging.set()
            async with self.moved:
                await self.moved.wait()
            script.hanging.clear()


class _StillClock:
    """No time passes: what a limit of time did is not replayed."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        return 1.0


class _NoSealer:
    def seal(self, owner_id: str, secret: str) -> str:
        return ""

    def open(self, owner_id: str, sealed: str) -> str:
        return ""


class Replay:
    """One recording, once."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._script = Script(recording.events)
        self._moved = asyncio.Condition()
        self._played: list[Event] = []
        self._session = ParseDict(recording.header.get("session", {}), Session(), ignore_unknown_fields=True)

    async def run(self) -> str:
        """The first difference, in one line; empty if there is none."""
        with tempfile.TemporaryDirectory() as folder:
            async with self._at_work(Path(folder)) as ports:
                record = await create_session(ports, self._wish())
                person = Person(ports, record.session_id, self._request_of)
                refusal = await self._play(person)
        found = difference(self._recording.events, self._played[: len(self._recording.events)])
        return f"{found} ({refusal})" if found and refusal else found

    @contextlib.asynccontextmanager
    async def _at_work(self, folder: Path) -> AsyncIterator[Ports]:
        live, signals = LiveWatching(), LocalSignals()

        def publish(session_id: str, stored: list[tuple[Event, bytes]]) -> None:
            self._played += [event for event, _ in stored]
            self._script.head = len(self._played)
            live.publish(session_id, stored)
            self._tell.set()

        self._tell = asyncio.Event()
        store = HeldStore(open_database(f"sqlite:///{folder / 'replay.db'}"), publish, LEASE_SECONDS, live.forget)
        store.script, store.moved = self._script, self._moved
        live.backed_by(store)
        place = PlayedPlace(self._script, gate_of(self._script.events, self._repository()))
        ports = Ports(
            store=store,
            live=live,
            models=PlayedModel(self._script, self._session.model),
            workspace=place,
            forge=place,
            clock=_StillClock(),
            sealer=_NoSealer(),
            signals=signals,
            limits=self._limits(),
            title_model=NONE,
        )
        runner = Runner(ports, signals, LEASE_SECONDS, 1)
        await store.start()
        await runner.start()
        try:
            yield ports
        finally:
            await runner.stop()
            await store.stop()

    async def _play(self, person: Person) -> str:
        """Until the recorded end, or until nothing comes any more. What a person was refused, if that ended it."""
        script = self._script
        nudged = -1
        while script.head < len(script.events):
            head, coming = script.head, script.events[script.head]
            if is_persons(coming):
                if is_stop(coming):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(script.hanging.wait(), STOP_SECONDS)
                try:
                    await person.does(coming)
                except LucidError as refusal:
                    return f"refused: {refusal.reason}"
                async with self._moved:
                    self._moved.notify_all()
                if script.head == head:
                    return "a person's doing left no event"
                continue
            if not await self._progress(head, NUDGE_SECONDS):
                if nudged == head:
                    return "nothing came any more"
                nudged = head
                await person.goes_on()
                await self._progress(head, QUIET_SECONDS)
        return ""

    async def _progress(self, head: int, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._script.head == head:
                    await self._tell.wait()
                    self._tell.clear()
        return self._script.head > head

    def _wish(self) -> NewSession:
        first, selected = self._script.events[0], self._script.events[1].model_selected
        return NewSession(
            owner_id=PERSON,
            task=first.user_message.text,
            request_id=first.user_message.client_message_id,
            repository=self._repository(),
            model=selected.model if selected.reason == ModelSelected.REASON_USER else "",
            project_id=self._session.project_id,
            policy=self._policy(),
            environment=environment_of(self._script.events),
        )

    def _policy(self) -> Policy:
        """As the session was made; where it was changed later, the beginning is not in the file."""
        if any(event.HasField("session_configured") for event in self._script.events):
            return Policy()
        session = self._session
        return Policy(Confirmation(session.confirmation), from_budget(session.budget), session.fallback_model)

    def _repository(self) -> Repository | None:
        if not self._session.HasField("repository"):
            return None
        found = self._session.repository
        return Repository(found.provider, found.full_name, found.url, found.base_branch)

    def _limits(self) -> Limits:
        """The installation's limits, as far as the log tells of them."""
        steps, limit, money = 0, 0, 0
        for event in self._script.events:
            if event.HasField("turn_started"):
                steps = 0
            elif event.HasField("usage"):
                steps += 0 if event.labels.get(PURPOSE) or event.labels.get(CUT_SHORT) else 1
                money = money or event.usage.budget_micros
            elif event.approval_requested.request_id.endswith(f":{Measure.STEPS.value}:0"):
                limit = limit or steps
        return Limits(max_iterations=limit, conversation_timeout=0.0, session_budget_micros=money)

    def _request_of(self, recorded: str) -> str:
        for old, new in zip(self._script.events, self._played, strict=False):
            if old.approval_requested.request_id == recorded:
                return new.approval_requested.request_id
        return recorded
