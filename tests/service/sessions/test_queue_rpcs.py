"""The queue over a real channel: what waits is changed, moved, withdrawn or taken, and what is refused says why."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, QueueChanged, StatusChanged, UserMessage

from services.rpc.errors import Code
from services.rpc.status import RemoteError
from services.sessions.agent.journal import Journal
from services.sessions.agent.queue import take_steers
from services.sessions.agent.turns import begin_turn, end_turn
from services.sessions.client import SessionsClient
from services.sessions.domain.models import Request, State
from services.sessions.domain.work import Outcome
from services.sessions.usecases.send_message import MOST_QUEUED
from tests.service.sessions.conftest import Ground

STEER, QUEUED = UserMessage.DELIVERY_STEER, UserMessage.DELIVERY_QUEUED
ADDED, EDITED, MOVED = QueueChanged.CHANGE_ADDED, QueueChanged.CHANGE_EDITED, QueueChanged.CHANGE_MOVED
CANCELLED, TAKEN = QueueChanged.CHANGE_CANCELLED, QueueChanged.CHANGE_TAKEN


class Person:
    """One session and its person, and an owner that the test plays itself."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.client = SessionsClient(ground.channel, ground.me())
        self.session_id = ""

    async def create(self) -> "Person":
        self.session_id = (await self.client.create_session(pb.CreateSessionRequest(task="Mend it"))).session.session_id
        return self

    async def say(self, text: str, client_id: str = "", delivery: Any = 0) -> pb.SendMessageResponse:
        return await self.client.send_message(
            pb.SendMessageRequest(session_id=self.session_id, text=text, client_message_id=client_id, delivery=delivery)
        )

    async def update(self, item: str, text: str = "", delivery: Any = 0) -> None:
        await self.client.update_queued_message(
            pb.UpdateQueuedMessageRequest(session_id=self.session_id, queue_item_id=item, text=text, delivery=delivery)
        )

    async def move(self, item: str, place: int) -> None:
        await self.client.move_queued_message(
            pb.MoveQueuedMessageRequest(session_id=self.session_id, queue_item_id=item, place=place)
        )

    async def cancel(self, item: str) -> None:
        await self.client.cancel_queued_message(
            pb.CancelQueuedMessageRequest(session_id=self.session_id, queue_item_id=item)
        )

    async def pause(self) -> bool:
        return (await self.client.pause_session(pb.PauseSessionRequest(session_id=self.session_id))).pausing

    async def resume(self) -> bool:
        return (await self.client.resume_session(pb.ResumeSessionRequest(session_id=self.session_id))).resumed

    async def stop(self) -> bool:
        return (await self.client.stop_session(pb.StopSessionRequest(session_id=self.session_id))).stopping

    async def state(self) -> State:
        return (await self.ground.store.get(self.session_id)).state

    async def claimed(self) -> Journal:
        (record,) = await self.ground.store.claim("w1", 1)
        journal = Journal(self.ground.ports, record)
        await journal.load()
        return journal

    async def running(self) -> Journal:
        journal = await self.claimed()
        assert await begin_turn(journal)
        return journal

    async def events(self) -> list[Event]:
        rows = await self.ground.store.read(self.session_id, 0, 2**31 - 1, 1000)
        return [Event.FromString(data) for _, data in rows]

    async def changes(self) -> list[QueueChanged]:
        return [event.queue_changed for event in await self.events() if event.HasField("queue_changed")]

    async def messages(self) -> list[tuple[str, int]]:
        said = [event.user_message for event in await self.events() if event.HasField("user_message")]
        return [(message.text, message.delivery) for message in said]

    async def phases(self) -> list[int]:
        return [event.status_changed.phase for event in await self.events() if event.HasField("status_changed")]


@pytest.fixture
async def person(ground: Ground) -> Person:
    return await Person(ground).create()


async def refused(call: Any) -> tuple[Code, str]:
    with pytest.raises(RemoteError) as failed:
        await call
    return failed.value.code, failed.value.reason


GONE = (Code.NOT_FOUND, "QUEUE_ITEM_NOT_FOUND")
TOO_LATE = (Code.FAILED_PRECONDITION, "QUEUE_ITEM_TAKEN")
INVALID = (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_update_queued_message_changes_text_and_delivery(person: Person) -> None:
    journal = await person.running()
    await person.say("one", "c1")
    await person.update("c1", "uno")
    await person.update("c1", delivery=STEER)
    await person.update("c1", delivery=STEER)
    await person.update("c1", "uno!", QUEUED)
    told = [(change.change, change.text, change.delivery, list(change.order)) for change in await person.changes()]
    assert told == [
        (ADDED, "one", QUEUED, ["c1"]),
        (EDITED, "uno", QUEUED, ["c1"]),
        (EDITED, "", STEER, ["c1"]),
        (EDITED, "uno!", QUEUED, ["c1"]),
    ]
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert await begin_turn(journal)
    assert (await person.messages())[-1] == ("uno!", QUEUED)
    assert (await person.changes())[-1].text == "uno!"


async def test_move_queued_message_gives_the_order_in_which_they_are_taken(person: Person) -> None:
    journal = await person.running()
    for item in ("a", "b", "c"):
        await person.say(item, item)
    await person.move("c", 0)
    await person.move("c", 0)
    await person.move("a", 99)
    assert [list(change.order) for change in await person.changes()][-2:] == [["c", "a", "b"], ["c", "b", "a"]]
    for _ in range(3):
        await end_turn(journal, Outcome.COMPLETED, 1.0)
        assert await begin_turn(journal)
    assert [text for text, _ in (await person.messages())[1:]] == ["c", "b", "a"]


async def test_cancel_queued_message_and_what_is_refused_after(person: Person) -> None:
    journal = await person.running()
    first = await person.say("one", "c1")
    await person.say("two", "c2")
    await person.cancel("c1")
    await person.cancel("c1")
    assert [list(change.order) for change in await person.changes()] == [["c1"], ["c1", "c2"], ["c2"]]
    assert await refused(person.update("c1", "late")) == GONE
    assert await refused(person.move("c1", 0)) == GONE
    # The first answer, and nothing more in the queue.
    assert await person.say("one", "c1") == first
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert await begin_turn(journal)
    assert [text for text, _ in await person.messages()] == ["Mend it", "two"]
    assert [change.change for change in await person.changes()] == [ADDED, ADDED, CANCELLED, TAKEN]


async def test_what_was_taken_is_the_agents(person: Person) -> None:
    journal = await person.running()
    first = await person.say("one", "c1")
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert await begin_turn(journal)
    head = len(await person.events())
    for call in (person.update("c1", "late"), person.move("c1", 0), person.cancel("c1")):
        assert await refused(call) == TOO_LATE
    assert await person.say("one", "c1") == first
    assert len(await person.events()) == head


async def test_what_was_never_in_the_queue_and_what_cannot_be_asked(person: Person) -> None:
    await person.running()
    await person.say("one", "c1")
    for call in (person.update("no", "x"), person.move("no", 0), person.cancel("no")):
        assert await refused(call) == GONE
    for call in (person.update("a\0b", "x"), person.move("a\0b", 0), person.cancel("a\0b")):
        assert await refused(call) == INVALID
    for call in (
        person.update("", "x"),
        person.update("c1", " \n"),
        person.update("c1", "x" * 200_001),
        person.update("c1", delivery=UserMessage.DELIVERY_TURN),
        person.update("c1", delivery=77),
        person.move("", 0),
        person.cancel(""),
    ):
        assert await refused(call) == INVALID
    await person.update("c1")
    assert [change.change for change in await person.changes()] == [ADDED]


async def test_a_full_queue_takes_no_more(person: Person) -> None:
    await person.running()
    for number in range(MOST_QUEUED):
        await person.say("x", f"c{number}")
    assert await refused(person.say("x", "more")) == (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    await person.cancel("c7")
    assert (await person.say("x", "more")).queued


async def test_steering_messages_are_taken_together_in_their_order(person: Person) -> None:
    journal = await person.running()
    await person.say("later", "q")
    assert (await person.say("left", "s1", STEER)).queued
    await person.say("right", "s2", STEER)
    await person.say("after all", "s3", STEER)
    await person.update("s3", delivery=QUEUED)
    await person.move("s2", 0)
    await take_steers(journal)
    await take_steers(journal)
    assert (await person.messages())[1:] == [("right", STEER), ("left", STEER)]
    taken = [change for change in await person.changes() if change.change == TAKEN]
    assert [(change.queue_item_id, list(change.order)) for change in taken] == [
        ("s2", ["q", "s1", "s3"]),
        ("s1", ["q", "s3"]),
    ]
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    await person.update("s3", delivery=STEER)
    assert await begin_turn(journal)
    # No turn runs: what steers comes first, and starts one.
    assert (await person.messages())[-1] == ("after all", QUEUED)


async def test_a_steering_message_without_a_turn_starts_one(person: Person) -> None:
    journal = await person.running()
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert not await begin_turn(journal)
    assert not (await person.say("go", "s", STEER)).queued
    assert await begin_turn(await person.claimed())


async def test_pause_session_and_resume_session(person: Person) -> None:
    assert not await person.resume()
    journal = await person.running()
    assert not await person.resume()
    assert await person.pause()
    assert await person.pause()
    assert await person.ground.store.renew("w1", [person.session_id]) == {person.session_id: Request.PAUSE}
    assert await end_turn(journal, Outcome.PAUSED, 1.0) is False
    assert await person.state() is State.PAUSED
    assert await person.ground.store.claim("w2", 5) == []
    assert (await person.say("meanwhile", "c1")).queued
    assert await person.ground.store.claim("w2", 5) == []
    assert await person.pause()
    assert await person.resume()
    assert not await person.resume()
    journal = await person.claimed()
    assert journal.state.turn_open
    assert not journal.pausing
    phases = StatusChanged.PHASE_PAUSING, StatusChanged.PHASE_PAUSED, StatusChanged.PHASE_RESUMING
    assert tuple(await person.phases())[-3:] == phases


async def test_pause_session_that_has_nothing_to_pause(person: Person) -> None:
    journal = await person.running()
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert not await begin_turn(journal)
    assert not await person.pause()
    assert await person.state() is State.IDLE
    assert (await person.phases())[-1] == StatusChanged.PHASE_COMPLETED


async def test_stop_session_outdoes_a_pause(person: Person) -> None:
    journal = await person.running()
    await person.pause()
    await end_turn(journal, Outcome.PAUSED, 1.0)
    assert await person.stop()
    assert not await person.pause()
    journal = await person.claimed()
    assert journal.state.stopping
    await end_turn(journal, Outcome.INTERRUPTED, 1.0)
    assert await person.state() is State.STOPPED
    assert not await person.stop()
    assert not await person.resume()


async def test_a_pause_that_was_taken_back_goes_on(person: Person) -> None:
    journal = await person.running()
    await person.pause()
    await person.resume()
    assert await end_turn(journal, Outcome.PAUSED, 1.0) is True
    assert await person.state() is State.RUNNING
    assert journal.state.turn_open


async def test_a_stopped_session_keeps_its_queue_for_the_person(person: Person) -> None:
    journal = await person.running()
    await person.say("one", "c1")
    await person.stop()
    assert await end_turn(journal, Outcome.INTERRUPTED, 1.0) is False
    assert await person.ground.store.claim("w2", 5) == []
    # A repeat is not a wish to go on.
    await person.say("one", "c1")
    assert await person.ground.store.claim("w2", 5) == []
    assert await person.resume()
    assert await begin_turn(await person.claimed())
    assert (await person.messages())[-1] == ("one", QUEUED)


async def test_a_failed_turn_does_not_use_the_queue_up(person: Person) -> None:
    journal = await person.running()
    await person.say("one", "c1")
    assert await end_turn(journal, Outcome.FAILED, 1.0) is False
    assert await person.ground.store.claim("w2", 5) == []
    assert await person.resume()
    assert await begin_turn(await person.claimed())


async def test_a_message_after_a_stop_starts_the_next_turn(person: Person) -> None:
    journal = await person.running()
    await person.say("before", "c1")
    await person.stop()
    assert not (await person.say("after", "c2")).queued
    assert await end_turn(journal, Outcome.INTERRUPTED, 1.0) is True
    assert await begin_turn(journal)
    assert [text for text, _ in await person.messages()] == ["Mend it", "after"]
    # Then those that waited, in their order.
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert await begin_turn(journal)
    assert (await person.messages())[-1] == ("before", QUEUED)


async def test_a_stop_before_the_turn_begins_is_honoured(person: Person) -> None:
    assert await person.stop()
    assert not await begin_turn(await person.claimed())
    kinds = [event.WhichOneof("payload") for event in await person.events()]
    assert kinds[-3:] == ["turn_started", "turn_completed", "status_changed"]
    assert await person.state() is State.STOPPED
    assert await person.ground.store.claim("w2", 5) == []
    assert not (await person.say("again", "c1")).queued
    assert await begin_turn(await person.claimed())


async def test_a_stop_between_two_turns_leaves_the_queue(person: Person) -> None:
    journal = await person.running()
    await person.say("one", "c1")
    assert await end_turn(journal, Outcome.COMPLETED, 1.0) is True
    assert await person.stop()
    assert not await begin_turn(journal)
    assert [text for text, _ in await person.messages()] == ["Mend it"]
    assert (await person.phases())[-1] == StatusChanged.PHASE_STOPPED
    assert await person.resume()


async def test_a_pause_at_the_end_holds_the_queue(person: Person) -> None:
    journal = await person.running()
    await person.say("one", "c1")
    await person.pause()
    assert await end_turn(journal, Outcome.COMPLETED, 1.0) is False
    assert await person.state() is State.IDLE
    assert await person.ground.store.claim("w2", 5) == []
    assert await person.resume()
    assert await begin_turn(await person.claimed())


async def test_a_pause_after_the_end_leaves_things_as_they_are(person: Person) -> None:
    journal = await person.running()
    assert await end_turn(journal, Outcome.COMPLETED, 1.0) is True
    assert await person.pause()
    assert not await begin_turn(journal)
    assert (await person.phases())[-2:] == [StatusChanged.PHASE_PAUSING, StatusChanged.PHASE_COMPLETED]
    assert not await person.resume()
