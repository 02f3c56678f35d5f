"""What must be true of every log, whoever asked for what."""

import hashlib
from collections import Counter
from collections.abc import Iterator

from tests.faults.checker.history import History, Stored

PAIRS = {"text": "item", "command": "item", "tool_call": "item", "turn": "turn"}


def numbering(history: History) -> Iterator[str]:
    """Numbers from 1 without a gap, each event once, all of one session and one epoch."""
    for session, log in history.logs.items():
        if [one.seq for one in log] != list(range(1, len(log) + 1)):
            yield f"{session}: the numbers are {_short([one.seq for one in log])}"
        if any((one.event.seq, one.event.session_id) != (one.seq, session) for one in log):
            yield f"{session}: an event says another number or session than its row"
        if len({one.event.epoch for one in log}) > 1:
            yield f"{session}: more than one epoch"
        twice = [event_id for event_id, times in Counter(one.event.event_id for one in log).items() if times > 1]
        if twice:
            yield f"{session}: event ids twice: {_short(twice)}"


def chain(history: History) -> Iterator[str]:
    """Each event carries the hash of the one before."""
    for session, log in history.logs.items():
        before = b""
        for one in log:
            if one.event.prev_hash != before:
                yield f"{session}: the chain breaks at {one.seq}"
            before = hashlib.sha256(one.data).digest()


def keys(history: History) -> Iterator[str]:
    """Nothing is stored twice under one key."""
    for session, log in history.logs.items():
        twice = [key for key, times in Counter(one.key for one in log if one.key).items() if times > 1]
        if twice:
            yield f"{session}: keys twice: {_short(twice)}"


def items(history: History) -> Iterator[str]:
    """After the storm everything that was begun has ended, once; what waits for a person is the one exception."""
    for session, log in history.logs.items():
        waiting = _waiting(log)
        for kind in PAIRS:
            started = Counter(_item(one, kind) for one in log if one.kind == f"{kind}_started")
            completed = Counter(_item(one, kind) for one in log if one.kind == f"{kind}_completed")
            for item in started.keys() | completed.keys():
                if (started[item], completed[item]) != (1, 1) and item not in waiting:
                    yield f"{session}: {kind} {item} started {started[item]} and completed {completed[item]} times"


def _waiting(log: list[Stored]) -> set[str]:
    """The call that asks, and its turn, where the last word is a question that nobody has answered."""
    answered = {one.event.approval_resolved.request_id for one in log if one.kind == "approval_resolved"}
    open_calls = {one.event.item_id for one in log if one.kind == "tool_call_started"}
    open_calls -= {one.event.item_id for one in log if one.kind == "tool_call_completed"}
    waiting: set[str] = set()
    for one in log:
        about = one.event.approval_requested.about_item_id
        if about in open_calls and one.event.approval_requested.request_id not in answered:
            waiting |= {about, one.event.turn_id}
    return waiting


def _item(one: Stored, kind: str) -> str:
    return one.event.turn_id if kind == "turn" else one.event.item_id


def queue(history: History) -> Iterator[str]:
    """A message that waits is taken or cancelled, never both and neither twice; what is taken is said once."""
    for session, log in history.logs.items():
        moves = Counter(
            (one.event.queue_changed.queue_item_id, int(one.event.queue_changed.change))
            for one in log
            if one.kind == "queue_changed"
        )
        said = Counter(one.event.user_message.client_message_id for one in log if one.kind == "user_message")
        for item in {item for item, _ in moves}:
            added, cancelled, taken = moves[item, 1], moves[item, 4], moves[item, 5]
            if added != 1 or cancelled + taken > 1 or said[item] != taken:
                yield (
                    f"{session}: message {item} added {added}, cancelled {cancelled}, taken {taken} and said "
                    f"{said[item]} times"
                )


def turns(history: History) -> Iterator[str]:
    """One turn at a time."""
    for session, log in history.logs.items():
        running = ""
        for one in log:
            if one.kind == "turn_started":
                if running:
                    yield f"{session}: turn {one.event.turn_id} begins in the middle of {running}"
                running = one.event.turn_id
            elif one.kind == "turn_completed":
                running = ""


def _short(values: list[object] | list[int] | list[str]) -> str:
    text = ", ".join(map(str, values))
    return text if len(text) < 200 else f"{text[:200]} …"
