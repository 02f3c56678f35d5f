"""What clients were told must be in the log: acknowledged means kept, once."""

from collections import Counter
from collections.abc import Iterator

from lucid.sessions.v1.event_pb2 import QueueChanged, StatusChanged, TurnCompleted

from tests.faults.checker.history import History, Line, Stored

STOP_SECONDS = 60.0
_STOPPED = (TurnCompleted.OUTCOME_INTERRUPTED, TurnCompleted.OUTCOME_DONE, TurnCompleted.OUTCOME_UNSPECIFIED)


def creations(history: History) -> Iterator[str]:
    """A request makes one session, however often it was repeated, and its first message is the request's."""
    made = Counter(
        one.event.user_message.client_message_id
        for log in history.logs.values()
        for one in log[:1]
        if one.kind == "user_message"
    )
    for line in history.operations("CreateSession"):
        deleted = any(gone["session"] == line["session"] for gone in history.operations("DeleteSession"))
        if made[line["id"]] != 1 and not deleted:
            yield f"request {line['id']} was answered and has {made[line['id']]} sessions"
    for request, times in made.items():
        if times > 1:
            yield f"request {request} has {times} sessions"


def messages(history: History) -> Iterator[str]:
    """Every message that was answered stands once in the log, where the answer said."""
    for line in history.operations("SendMessage"):
        found = [one for one in history.logs[line["session"]] if _says(one, line["id"])]
        if [one.seq for one in found] != [line["seq"]]:
            places = [one.seq for one in found]
            yield f"{line['session']}: message {line['id']} was answered with {line['seq']} and stands at {places}"
    for session, log in history.logs.items():
        said = Counter(one.event.user_message.client_message_id for one in log if one.kind == "user_message")
        for message, times in said.items():
            if times > 1:
                yield f"{session}: message {message} was said {times} times"


def _says(one: Stored, message: str) -> bool:
    if one.kind == "queue_changed":
        change = one.event.queue_changed
        return change.queue_item_id == message and change.change == QueueChanged.CHANGE_ADDED
    said = one.event.user_message
    return said.client_message_id == message and said.delivery != said.DELIVERY_QUEUED


def decisions(history: History) -> Iterator[str]:
    """The first decision stands, and there is one."""
    for line in history.operations("ResolveApproval"):
        found = [
            one.event.approval_resolved.option_id
            for one in history.logs[line["session"]]
            if one.event.approval_resolved.request_id == line["id"]
        ]
        if found != [line["option"]]:
            yield f"{line['session']}: {line['id']} was resolved with {line['option']}; the log has {found}"


def stops(history: History) -> Iterator[str]:
    """A stop that was answered is in the log, and the turn that ran ends because of it, or by itself just before."""
    for line in history.operations("StopSession"):
        if line["stopping"]:
            yield from _stop(history.logs[line["session"]], line, history)


def _stop(log: list[Stored], line: Line, history: History) -> Iterator[str]:
    begun = next(one["at"] for one in history.lines["begin"] if one["n"] == line["n"])
    said = [one for one in log if _is_stop(one)]
    # A stop of a turn that is being stopped already is one with it.
    mine = next((one for one in reversed(said) if _seconds(one) <= line["at"] + 0.5), None)
    if mine is None:
        yield f"{line['session']}: the stop answered at {line['at']:.2f} is not in the log"
        return
    if _superseded(log, mine):
        return
    ended = next((one for one in log if one.seq > mine.seq and _is_end(one)), None)
    if ended is None:
        yield f"{line['session']}: nothing has ended after the stop at {mine.seq}"
    elif _seconds(ended) > max(line["at"], begun) + STOP_SECONDS:
        late = _seconds(ended) - line["at"]
        yield f"{line['session']}: the stop at {mine.seq} took {late:.1f} s"
    elif ended.event.turn_completed.outcome not in _STOPPED and not _failing(log, ended):
        outcome = TurnCompleted.Outcome.Name(ended.event.turn_completed.outcome)
        yield f"{line['session']}: the turn stopped at {mine.seq} ended as {outcome}"


def _superseded(log: list[Stored], stop: Stored) -> bool:
    """The stop came before the turn had begun, and a message after it, before it too: the later word counts."""
    before = [one.kind for one in log if one.seq < stop.seq and one.kind in ("turn_started", "turn_completed")]
    if before and before[-1] == "turn_started":
        return False
    after = [one.kind for one in log if one.seq > stop.seq]
    until_turn = after[: after.index("turn_started")] if "turn_started" in after else after
    return "user_message" in until_turn


def _failing(log: list[Stored], ended: Stored) -> bool:
    """The turn had its error card, and would have ended without the stop."""
    turn = ended.event.turn_id
    return any(one.kind == "error" and one.event.turn_id == turn for one in log)


def _is_end(one: Stored) -> bool:
    """A turn's end, or the word that there was none to end."""
    stopped = one.event.status_changed.phase == StatusChanged.PHASE_STOPPED
    return one.kind == "turn_completed" or (one.kind == "status_changed" and stopped)


def _is_stop(one: Stored) -> bool:
    return one.kind == "status_changed" and one.event.status_changed.phase == StatusChanged.PHASE_STOPPING


def _seconds(one: Stored) -> float:
    return one.event.time.seconds + one.event.time.nanos / 1e9


def answers(history: History) -> Iterator[str]:
    """Whatever breaks, a client is never told that something unforeseen has happened."""
    told = Counter(
        (line["op"], line["code"], line["detail"])
        for line in history.lines["attempt"]
        if line["code"] in ("INTERNAL", "UNKNOWN")
    )
    for (op, code, detail), times in told.items():
        yield f"{op} answered {code} {times} times: {detail[:200]}"


def finished(history: History) -> Iterator[str]:
    """No operation was left without an answer once all was well again."""
    ended = {line["n"] for kind in ("end", "refused", "abandoned") for line in history.lines[kind]}
    for line in history.lines["begin"]:
        if line["n"] not in ended:
            yield f"{line['op']} {line['n']} was never answered"


def rest(history: History) -> Iterator[str]:
    """Once all was well again, every session came to rest."""
    for line in history.lines["restless"]:
        yield f"{line['session']} did not come to rest"
