"""What a session has used, folded from its log, and how much the person has allowed."""

from dataclasses import dataclass, field
from enum import Enum

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, StatusChanged

# Label of a Usage for a call that is no step of the agent: what it was for.
PURPOSE = "purpose"
# Label of a Usage for a call that did not come to its end: why.
CUT_SHORT = "cut"
# Label of a Usage whose tokens were not all told by the provider.
ESTIMATED = "estimated"
# The option of a budget's card that allows as much again.
GO_ON = "go_on"
_WORKING = (StatusChanged.PHASE_RUNNING, StatusChanged.PHASE_PAUSING, StatusChanged.PHASE_STOPPING)


class Measure(Enum):
    """What a budget bounds: money of the session (micros), model calls and working seconds of the turn."""

    MONEY = "money"
    STEPS = "steps"
    TIME = "time"


@dataclass
class Spending:
    """`used`: so far. `since`: what was used when the person last allowed as much again; a budget counts from there.

    `words`: what the person wrote with a yes and the model has not been told yet, by request.
    """

    used: dict[Measure, float] = field(default_factory=lambda: dict.fromkeys(Measure, 0.0))
    since: dict[Measure, float] = field(default_factory=lambda: dict.fromkeys(Measure, 0.0))
    words: dict[str, str] = field(default_factory=dict)
    _turn_id: str = ""
    _working: bool = False
    _last: float = 0.0
    _times: dict[Measure, int] = field(default_factory=lambda: dict.fromkeys(Measure, 0))

    def apply(self, event: Event) -> None:
        """Takes the next event."""
        self._count_time(event)
        match event.WhichOneof("payload"):
            case "turn_started":
                self._turn_id, self._working, self._last = event.turn_id, True, _seconds(event)
                for measure in (Measure.STEPS, Measure.TIME):
                    self.used[measure] = self.since[measure] = 0.0
            case "turn_completed":
                self._working = False
                self.words.clear()
            case "status_changed" if event.turn_id:
                self._working = event.status_changed.phase in _WORKING
            case "usage":
                self.used[Measure.MONEY] += event.usage.cost_micros
                if not event.labels.get(PURPOSE) and not event.labels.get(CUT_SHORT):
                    self.used[Measure.STEPS] += 1
            case "user_message":
                self.words.pop(event.user_message.client_message_id, None)
            case "approval_resolved":
                self._resolved(event)

    def request_id(self, measure: Measure) -> str:
        """Of the card that asks for more; another one after each yes and in each turn."""
        return f"{self._turn_id}:{measure.value}:{self._times[measure]}"

    def _resolved(self, event: Event) -> None:
        resolved = event.approval_resolved
        measure = measure_of(resolved.request_id)
        if measure is None or resolved.option_id != GO_ON or resolved.request_id != self.request_id(measure):
            return
        self.since[measure] = self.used[measure]
        self._times[measure] += 1
        if resolved.text.strip():
            self.words[resolved.request_id] = resolved.text

    def _count_time(self, event: Event) -> None:
        """The time between two events of the turn was work, unless the turn waited, or nobody can say: a new owner
        tells by PHASE_RESUMING that the one before had gone."""
        if event.turn_id != self._turn_id or event.source == SOURCE_USER:
            return
        now = _seconds(event)
        if self._working and event.status_changed.phase != StatusChanged.PHASE_RESUMING:
            self.used[Measure.TIME] += max(0.0, now - self._last)
        self._last = now


def measure_of(request_id: str) -> Measure | None:
    """What a card of this id asks more of; None for any other card."""
    parts = request_id.split(":")
    return Measure(parts[1]) if len(parts) == 3 and parts[1] in [measure.value for measure in Measure] else None


def _seconds(event: Event) -> float:
    return float(event.time.seconds + event.time.nanos / 1e9)
