"""Withdrawing and taking a message at the same time, ten thousand times: one of them, never both, never neither.

Every call of the store waits until a seeded schedule lets it go: alone, or together with others in any order, so that
they also meet in one transaction. What decides is the product's own code on a real database.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from lucid.sessions.v1.event_pb2 import Event, QueueChanged, UserMessage

from services.sessions.agent.journal import Journal
from services.sessions.agent.queue import take_steers
from services.sessions.agent.signals import LocalSignals
from services.sessions.agent.turns import begin_turn, end_turn
from services.sessions.domain.errors import QueueItemNotFound, QueueItemTaken
from services.sessions.domain.models import Change, Draft, NewSession, SessionRecord
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits, Ports
from services.sessions.store.database import open_database
from services.sessions.store.sql import SqlEventStore
from services.sessions.usecases.cancel_queued_message import cancel_queued_message
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.move_queued_message import move_queued_message
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.update_queued_message import update_queued_message
from tests.fakes.ports import FastClock, PlainSealer
from tests.fakes.scripted_model import Model, OneModel, said
from tests.service.sessions.owners import ME, memory

SESSIONS, ROUNDS, ITEMS = 100, 20, 5
TAKEN, CANCELLED = QueueChanged.CHANGE_TAKEN, QueueChanged.CHANGE_CANCELLED


class Stepped:
    """A store each of whose calls waits to be let go while a race runs."""

    def __init__(self, store: SqlEventStore, racing: "Race") -> None:
        self._store = store
        self._racing = racing

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def stepped(*args: Any) -> Any:
            await self._racing.step()
            return await call(*args)

        return stepped


class Race:
    """Runs actors so that between any two calls of one the others may do any number of theirs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._parked: list[asyncio.Future[None]] = []
        self._moved = asyncio.Event()
        self._on = False

    async def step(self) -> None:
        if not self._on:
            return
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parked.append(permit)
        self._moved.set()
        await permit

    async def run(self, actors: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        self._on = True
        tasks = [asyncio.ensure_future(actor) for actor in actors]
        for task in tasks:
            task.add_done_callback(lambda _: self._moved.set())
        while not all(task.done() for task in tasks):
            if len(self._parked) + sum(task.done() for task in tasks) < len(tasks):
                self._moved.clear()
                await self._moved.wait()
                continue
            self.random.shuffle(self._parked)
            together = self.random.randint(1, len(self._parked))
            self._parked, going = self._parked[together:], self._parked[:together]
            for permit in going:
                permit.set_result(None)
            self._moved.clear()
            await asyncio.sleep(0)
        self._on = False
        return await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Seat:
    """One session: its owner's hold on it, and the person's. `answers`: what the calls about each message came to."""

    race: Race
    person: Ports
    journal: Journal
    session_id: str
    answers: dict[str, list[tuple[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    async def round(self, number: int) -> None:
        """Several messages wait; each is withdrawn while the agent takes what it can get."""
        items, steers = [f"{number}.{place}" for place in range(ITEMS)], self.race.random.random() < 0.6
        await self.person.store.apply(self.session_id, lambda row: added(row, items, steers))
        acts = [("cancel", item) for item in items] + self._more(items)
        calls = [self._act(what, item) for what, item in acts]
        take, *answers = await self.race.run([self._take(steers), *calls])
        assert take is None, take
        for (what, item), answer in zip(acts, answers, strict=True):
            self.answers[item].append((what, answer))
        if not self.journal.state.turn_open:
            # The next round begins in a turn again.
            await send_message(self.person, ME, self.session_id, "go on", "")
            assert await begin_turn(self.journal)

    def _more(self, items: list[str]) -> list[tuple[str, str]]:
        """Sometimes somebody changes one of them too, or withdraws it a second time."""
        what = self.race.random.choice(["cancel", "update", "move", "", ""])
        return [(what, self.race.random.choice(items))] if what else []

    def _act(self, what: str, item: str) -> Coroutine[Any, Any, None]:
        if what == "update":
            return update_queued_message(self.person, ME, self.session_id, item, "changed", None)
        if what == "move":
            return move_queued_message(self.person, ME, self.session_id, item, 0)
        return cancel_queued_message(self.person, ME, self.session_id, item)

    async def _take(self, steers: bool) -> None:
        if steers:
            await take_steers(self.journal)
        elif await end_turn(self.journal, Outcome.COMPLETED, 0.0):
            await begin_turn(self.journal)

    async def check(self) -> Counter[str]:
        """What the log says of every message, against what everybody was answered."""
        rows = await self.person.store.read(self.session_id, 0, 2**31 - 1, 100_000)
        events = [Event.FromString(data) for _, data in rows]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        changes: dict[str, list[int]] = defaultdict(list)
        texts: dict[str, list[str]] = defaultdict(list)
        for event in events:
            changes[event.queue_changed.queue_item_id].append(event.queue_changed.change)
            texts[event.user_message.client_message_id].append(event.user_message.text)
        assert (await self.person.store.get(self.session_id)).waiting.queue == ()
        return Counter(self._ended(item, changes[item], texts[item]) for item in self.answers)

    def _ended(self, item: str, changes: list[int], texts: list[str]) -> str:
        assert changes.count(TAKEN) + changes.count(CANCELLED) == 1
        assert changes[-1] in (TAKEN, CANCELLED)
        is_taken = TAKEN in changes
        assert len(texts) == is_taken
        for what, answer in self.answers[item]:
            if what == "cancel":
                assert isinstance(answer, QueueItemTaken) if is_taken else answer is None
            else:
                assert answer is None or isinstance(answer, QueueItemTaken if is_taken else QueueItemNotFound)
            if what == "update" and is_taken:
                # A change that was accepted is what the agent reads.
                assert texts == ["changed" if answer is None else item]
        return "taken" if is_taken else "cancelled"


def added(row: SessionRecord, items: list[str], steers: bool) -> Change:
    """They come into the queue, all at once."""
    delivery = UserMessage.DELIVERY_STEER if steers else UserMessage.DELIVERY_QUEUED
    change, order = QueueChanged.CHANGE_ADDED, row.waiting.order()
    drafts = []
    for item in items:
        order = [*order, item]
        queued = QueueChanged(queue_item_id=item, change=change, order=order, text=item, delivery=delivery)
        drafts.append(Draft(Event(queue_changed=queued)))
    return Change(drafts=tuple(drafts))


def ports(store: Any) -> Ports:
    nothing = cast(Any, None)
    model = cast(Any, OneModel(Model([said("Done.")])))
    signals = LocalSignals()
    return Ports(store, nothing, model, nothing, nothing, FastClock(), PlainSealer(), signals, limits=Limits())


async def take_seats(own: SqlEventStore, other: SqlEventStore, count: int, seed: int) -> list[Seat]:
    """Sessions with a running turn. `other`: the store by which the person comes."""
    made = [await create_session(ports(own), NewSession(ME, "work", request_id=f"r{n}")) for n in range(count)]
    claimed: dict[str, SessionRecord] = {}
    while len(claimed) < count:
        claimed |= {record.session_id: record for record in await own.claim("w", count, claimed)}
    seats = []
    for number, record in enumerate(made):
        race = Race(seed + number)
        owner = ports(Stepped(own, race))
        journal = Journal(owner, claimed[record.session_id])
        await journal.load()
        assert await begin_turn(journal)
        seats.append(Seat(race, ports(Stepped(other, race)), journal, record.session_id))
    return seats


async def race_all(seats: list[Seat], rounds: int) -> Counter[str]:
    """How often either end was met."""

    async def play(seat: Seat) -> Counter[str]:
        for number in range(rounds):
            await seat.round(number)
        return await seat.check()

    return sum(await asyncio.gather(*map(play, seats)), Counter())


def a_store(url: str) -> SqlEventStore:
    return SqlEventStore(open_database(url), lambda *_: None, 600.0, lambda _: None)


@pytest.mark.timeout(120)
async def test_ten_thousand_interleavings_of_cancel_and_take() -> None:
    with memory() as folder:
        store = a_store(f"sqlite:///{folder}/lucid.db")
        await store.start()
        try:
            tally = await race_all(await take_seats(store, store, SESSIONS, seed=1), ROUNDS)
        finally:
            await store.stop()
    assert sum(tally.values()) == SESSIONS * ROUNDS * ITEMS == 10_000
    # Both ends are met often: the schedule does not always let the same one win.
    assert min(tally.values()) > 1000, tally


@pytest.mark.timeout(120)
async def test_cancel_and_take_by_two_processes_stores(postgres_url: str) -> None:
    own, other = a_store(postgres_url), a_store(postgres_url)
    await own.start()
    await other.start()
    try:
        tally = await race_all(await take_seats(own, other, 20, seed=7), 5)
    finally:
        await own.stop()
        await other.stop()
    assert sum(tally.values()) == 500
    assert min(tally.values()) > 50, tally
