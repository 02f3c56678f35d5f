"""The agent's surroundings, in memory and by hand: a log, live bytes, a workspace and a forge in one.

Each can be told to fail: `Log.crash_at` dies at an append, `Place.away` cannot be reached, the model's script may hold
failures instead of answers.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from lucid.sessions.v1.event_pb2 import (
    ApprovalResolved,
    Event,
    TurnStarted,
    UserMessage,
)

from services.rpc.ids import new_id
from services.sessions.agent.journal import Journal
from services.sessions.domain.environment import NOTHING as NOTHING_SET
from services.sessions.domain.environment import Environment
from services.sessions.domain.errors import Fenced
from services.sessions.domain.models import Change, Draft, Lease, Repository, SessionRecord, State
from services.sessions.domain.waiting import FOLLOWED, NOTHING, followed
from services.sessions.ports import EventStore, Limits, LiveHub, Ports, Signals
from tests.fakes.place import Place as Place
from tests.fakes.place import Ran as Ran
from tests.fakes.scripted_model import Model, OneModel, Script

REPOSITORY = Repository(provider="local", full_name="lucid/teatime", url="http://localhost/lucid/teatime")

SESSION = "ses_01TEST000000000000000000"


class Crash(BaseException):
    """The process dies here."""


class Log:
    """One session's log. `crash_at`: the append at which the process dies; `after`: once it is stored."""

    def __init__(self, clock: "FastClock") -> None:
        self.clock = clock
        self.row = SessionRecord(SESSION, "usr_1", "t", "mend it", State.RUNNING, "test/model", "sbx_1")
        self.events: list[Event] = []
        self.changes: list[Change] = []
        self.appends = 0
        self.crash_at = 0
        self.after = False
        self.fenced = False
        self.cursors: dict[str, int] = {}
        self._keys: dict[str, Event] = {}

    async def apply(
        self, session_id: str, transition: Callable[[Any], Change], lease: Lease | None = None
    ) -> list[Event]:
        await asyncio.sleep(0)
        if self.fenced:
            raise Fenced
        self.appends += 1
        if self.appends == self.crash_at and not self.after:
            raise Crash
        change = transition(self._row())
        self.changes.append(change)
        stored = [self._store(draft) for draft in change.drafts]
        if self.appends == self.crash_at:
            raise Crash
        return stored

    def _row(self) -> SessionRecord:
        """What a storing transaction sees."""
        waiting = NOTHING
        for event in self.events:
            if event.WhichOneof("payload") in FOLLOWED:
                waiting = followed(waiting, event)
        return replace(self.row, seq=len(self.events), now=self.clock.now, turn_open=True, waiting=waiting)

    def _store(self, draft: Draft) -> Event:
        if draft.key and draft.key in self._keys:
            return self._keys[draft.key]
        event = Event()
        event.CopyFrom(draft.event)
        event.seq, event.session_id, event.event_id = len(self.events) + 1, SESSION, new_id("evt")
        event.time.FromMilliseconds(int(self.clock.now * 1000))
        self.events.append(event)
        if draft.key:
            self._keys[draft.key] = event
        return event

    async def read(self, session_id: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        return [(event.seq, event.SerializeToString()) for event in self.events[after : min(upto, after + limit)]]

    async def find(self, session_id: str, key: str) -> Event | None:
        return self._keys.get(key)

    async def cursor(self, name: str) -> int:
        return self.cursors.get(name, 0)

    async def move_cursor(self, name: str, before: int, number: int) -> None:
        self.cursors[name] = number

    async def environment(self, owner_id: str, repository: Repository) -> Environment:
        return NOTHING_SET

    async def load_progress(self, session_id: str) -> dict[tuple[str, int], bytes]:
        return {}

    def kinds(self) -> list[str]:
        return [event.WhichOneof("payload") or "" for event in self.events]

    def of(self, kind: str) -> list[Any]:
        return [getattr(event, kind) for event in self.events if event.WhichOneof("payload") == kind]


class Live:
    """Bytes of open items, each piece as it came."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, int], bytearray] = {}
        self.writes: list[tuple[str, int, bytes]] = []

    def open(self, session_id: str, item_id: str, channel: int, data: bytes = b"") -> None:
        self.items.setdefault((item_id, channel), bytearray(data))

    def write(self, session_id: str, item_id: str, channel: int, offset: int, data: bytes) -> None:
        item = self.items[item_id, channel]
        fresh = data[max(0, len(item) - offset) :]
        if fresh:
            item += fresh
            self.writes.append((item_id, channel, bytes(fresh)))

    def content(self, session_id: str, item_id: str, channel: int) -> bytes:
        return bytes(self.items.get((item_id, channel), b""))

    def adopt(self, session_id: str, seq: int, started: Iterable[tuple[Event, bytes]]) -> None:
        pass


class FastClock:
    """Waiting takes no time, but is counted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now


class PlainSealer:
    """Seals by reversing; a sealed text that begins with `!` was altered."""

    def seal(self, owner_id: str, secret: str) -> str:
        return secret[::-1]

    def open(self, owner_id: str, sealed: str) -> str:
        if sealed.startswith("!"):
            raise ValueError("altered")
        return sealed[::-1]


class World:
    """Everything around one session, and its journal as the runner would hand it over."""

    def __init__(self, script: Script, place: Place | None = None, limits: Limits | None = None) -> None:
        self.clock = FastClock()
        self.log, self.live = Log(self.clock), Live()
        self.place = place or Place(files={"README.md": "hello\n"})
        self.model = Model(script)
        self.ports = Ports(
            store=cast(EventStore, self.log),
            live=cast(LiveHub, self.live),
            models=cast(Any, OneModel(self.model)),
            workspace=self.place,
            forge=self.place,
            clock=self.clock,
            sealer=PlainSealer(),
            signals=cast(Signals, None),
            limits=limits or Limits(),
        )
        self.record = SessionRecord(
            session_id=SESSION,
            owner_id="usr_1",
            title="t",
            task="mend it",
            state=State.RUNNING,
            model="test/model",
            sandbox_id="sbx_1",
            repository=REPOSITORY,
            confinement="bubblewrap",
        )
        self.log._store(Draft(Event(user_message=UserMessage(text="mend it"))))
        self.start_turn()

    def answer(self, option: str, text: str = "", request: int = -1) -> None:
        """The person's decision on a card; the last one asked."""
        request_id = self.log.of("approval_requested")[request].request_id
        resolved = ApprovalResolved(request_id=request_id, option_id=option, text=text, by="usr_1")
        self.log._store(Draft(Event(approval_resolved=resolved), f"approval:{request_id}"))

    def start_turn(self, text: str = "") -> None:
        """A message, and the turn it starts."""
        if text:
            self.log._store(Draft(Event(user_message=UserMessage(text=text))))
        self.log._store(Draft(Event(turn_id=new_id("trn"), turn_started=TurnStarted(model="test/model"))))

    async def journal(self) -> Journal:
        """A fresh owner's view of the log, with the base tree taken."""
        from services.sessions.agent.prepare import record_base
        from services.sessions.agent.recovery import take_over

        self.live = Live()
        self.ports = replace(self.ports, live=cast(LiveHub, self.live))
        journal = Journal(self.ports, self.record)
        await take_over(journal)
        journal.workdir = "teatime"
        if not journal.state.cloned:
            await record_base(journal)
        return journal
