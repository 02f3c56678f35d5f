"""The exported log as a script to play, and as what the new log is compared with."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from lucid.sessions.v1.event_pb2 import SOURCE_SYSTEM, SOURCE_USER, Event, QueueChanged, StatusChanged

from services.sessions.domain.spending import ESTIMATED, PURPOSE
from services.sessions.domain.state import BESIDE, TRANSITION
from services.sessions.export import checked

_ID = re.compile(r"(?:\b[a-z]{3}_)?[0-7][0-9A-HJKMNP-TV-Z]{25}")
# What is of this run only: places in time, hashes, who was signed in.
_OWN = frozenset(
    (
        *(
            "sessionId",
            "epoch",
            "seq",
            "eventId",
            "time",
            "prevHash",
            "expires",
            "by",
            "retryAfterMs",
            "diff",
            ESTIMATED,
            TRANSITION,
        ),
        *("durationMs", "phaseMs", "tookMs", "latencyMs", "firstTokenMs"),
    )
)
_TYPED = ("user_message", "queue_changed", "approval_resolved", "title_changed", "session_configured")


@dataclass(frozen=True)
class Recording:
    """A session as it was exported. `left_out`: what is not compared, because its place in the log is chance."""

    header: dict[str, Any]
    events: tuple[Event, ...]
    left_out: int


def read(lines: Iterable[bytes]) -> Recording:
    """The recording of a checked file. Raises BadExport."""
    found = checked(lines)
    header, _ = next(found)
    events = [Event.FromString(data) for _, data in found]
    kept = tuple(event for event in events if not _beside(event))
    return Recording(header, kept, len(events) - len(kept))


def is_persons(event: Event) -> bool:
    """A person's doing, which has to be done again; a message taken from the queue is the agent's."""
    if event.HasField("queue_changed"):
        return event.queue_changed.change != QueueChanged.CHANGE_TAKEN
    kind = event.WhichOneof("payload")
    if event.source != SOURCE_USER or event.turn_id:
        return False
    return kind in _TYPED or event.HasField("status_changed")


def is_stop(event: Event) -> bool:
    """A person wants the agent to stop or to pause."""
    wanted = (StatusChanged.PHASE_STOPPING, StatusChanged.PHASE_PAUSING)
    return is_persons(event) and event.status_changed.phase in wanted


def compared(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Events without what differs from run to run: ids become numbers in the order in which they appear."""
    names: dict[str, str] = {}

    def name(found: "re.Match[str]") -> str:
        return names.setdefault(found.group().removesuffix("c"), f"#{len(names) + 1}")

    for event in events:
        yield json.loads(_ID.sub(name, json.dumps(_without(MessageToDict(event)), sort_keys=True)))


def difference(recorded: Iterable[Event], played: Iterable[Event]) -> str:
    """The first event that differs, in one line; empty if none does."""
    old, new = list(compared(recorded)), list(compared(played))
    numbers = [event.seq for event in recorded]
    for index, (was, now) in enumerate(zip(old, new, strict=False)):
        if was != now:
            fields = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
            return f"seq {numbers[index]}: {_short(was, fields)} was recorded, {_short(now, fields)} was played"
    if len(new) < len(old):
        return f"seq {numbers[len(new)]}: {_short(old[len(new)])} was recorded, nothing was played"
    return ""


def _beside(event: Event) -> bool:
    """Titles by a model come beside the turn, whenever the model is done; new owners come when old ones die; what
    happens to a sandbox that nobody works in is told at any time."""
    if event.HasField("title_changed"):
        return not event.title_changed.by_user
    resuming = event.status_changed.phase == StatusChanged.PHASE_RESUMING
    beside = event.labels.get(PURPOSE) == "title" or bool(event.labels.get(BESIDE))
    return beside or (resuming and event.source == SOURCE_SYSTEM)


def _without(content: Any) -> Any:
    if isinstance(content, list):
        return [_without(each) for each in content]
    if not isinstance(content, dict):
        return content
    kept = {key: _without(value) for key, value in content.items() if key not in _OWN}
    if kept.get("reset"):
        # Whether a stream broke or its owner died, the text was taken back.
        kept.pop("interrupted", None)
    return kept


def _short(content: dict[str, Any], fields: list[str] | None = None) -> str:
    shown = content if fields is None else {key: content.get(key) for key in fields}
    text = json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= 300 else text[:299] + "…"
