"""What watchers saw: at every moment a beginning of the truth, in the end all of it."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field

from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CommandCompleted, Delta, Event, Frame

from tests.faults.checker.history import History, Line


@dataclass
class Seen:
    """One watcher's knowledge, by the rules of the protocol. `next_seq`: what this stream has to bring next."""

    session: str
    events: list[bytes] = field(default_factory=list)
    open: dict[tuple[str, int], bytes] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    next_seq: int = 1


def transcripts(history: History) -> Iterator[str]:
    """Every transcript is byte for byte the log, as far as it goes; after the storm it goes to the end."""
    watchers: dict[str, Seen] = {}
    streams = [*history.lines["watch"], *history.lines["frame"]]
    for line in sorted(streams, key=lambda line: float(line["at"])):
        if line["kind"] == "watch":
            seen = watchers.setdefault(line["watcher"], Seen(line["session"]))
            seen.next_seq = line["after"] + 1
        else:
            yield from (f"{line['watcher']}: {what}" for what in _take(watchers[line["watcher"]], line))
    for name, seen in watchers.items():
        log = [one.data for one in history.logs[seen.session]]
        if seen.events != log[: len(seen.events)]:
            at = next((i for i, data in enumerate(seen.events) if i >= len(log) or data != log[i]), 0)
            yield f"{name}: its transcript of {seen.session} differs from the log at {at + 1}"
    for line in history.lines["settled"]:
        for name in line["watchers"]:
            seen, log_length = watchers[name], len(history.logs[watchers[name].session])
            if len(seen.events) != log_length:
                yield f"{name}: has {len(seen.events)} events of {log_length} after all was well"


def _take(seen: Seen, line: Line) -> Iterator[str]:
    frame = Frame.FromString(b64decode(line["data"]))
    kind = frame.WhichOneof("frame")
    if kind == "event":
        yield from _event(seen, frame.event)
    elif kind == "delta":
        yield from _delta(seen, frame.delta)
    elif kind == "reset":
        seen.events, seen.open, seen.started, seen.next_seq = [], {}, set(), 1


def _event(seen: Seen, event: Event) -> Iterator[str]:
    if event.seq != seen.next_seq:
        yield f"a stream brought {event.seq} where {seen.next_seq} was due"
    seen.next_seq = event.seq + 1
    if event.seq != len(seen.events) + 1:
        return
    seen.events.append(event.SerializeToString(deterministic=True))
    kind = event.WhichOneof("payload")
    if kind in ("text_started", "command_started"):
        seen.started.add(event.item_id)
    elif kind in ("text_completed", "command_completed"):
        for key in [key for key in seen.open if key[0] == event.item_id]:
            if not _was_true(seen.open.pop(key), key[1], event):
                yield f"what was shown of {event.item_id} was never true"


def _was_true(shown: bytes, channel: int, event: Event) -> bool:
    """After a crash an item ends at its check-point; a watcher may have seen a little more, and is set right."""
    if channel == CHANNEL_STDOUT:
        done = event.command_completed
        whole = done.reason == CommandCompleted.REASON_EXITED
        short = done.head.startswith(shown) if whole else done.head.startswith(shown) or shown.startswith(done.head)
        return done.truncated or short
    text, ended = event.text_completed.text.encode(), event.text_completed
    return text.startswith(shown) or ((ended.reset or ended.interrupted) and shown.startswith(text))


def _delta(seen: Seen, delta: Delta) -> Iterator[str]:
    if delta.after_seq > len(seen.events) or delta.item_id not in seen.started:
        return
    key = (delta.item_id, int(delta.channel))
    have = seen.open.get(key, b"")
    again = have[delta.offset :]
    if delta.offset > len(have):
        return
    if not delta.data.startswith(again[: len(delta.data)]):
        yield f"the same bytes of {delta.item_id} came as others"
    seen.open[key] = have + delta.data[len(again) :]
