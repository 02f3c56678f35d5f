"""A session folded from its log, one event at a time. The same fold serves the running agent and its recovery."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lucid.sessions.v1.event_pb2 import (
    ApprovalResolved,
    CommandCompleted,
    Event,
    QueueChanged,
    SandboxChanged,
    StatusChanged,
)

from services.sessions.domain.approvals import SESSION
from services.sessions.domain.models import Policy
from services.sessions.domain.policy import from_event
from services.sessions.domain.spending import Measure, Spending
from services.sessions.domain.waiting import FOLLOWED, NOTHING, Waiting, followed

# Labels: of a set-up script's command, which script it is; of a sandbox that was made with an image or variables.
SETUP, SURROUNDED = "setup", "surrounded"
# One that was stopped, or lost with its sandbox, runs again.
_COME_TO_AN_END = (CommandCompleted.REASON_EXITED, CommandCompleted.REASON_TIMEOUT, CommandCompleted.REASON_OOM)
# Labels: the sandbox service's id of what is told; and that its place in the log is chance, beside what the agent does.
TRANSITION, BESIDE = "transition", "beside"
_ASLEEP = (SandboxChanged.STATE_HIBERNATED, SandboxChanged.STATE_DESTROYED, SandboxChanged.STATE_LOST)


@dataclass
class SessionState:
    """What is open and what waits. `tree`: the last snapshot; `base_…`: how the session began; `pushes`: the number
    of the last push told; `configured`:
    how the session works, if that was changed since it was made. `asked`: questions and approvals that are open, and
    `answers` those of the open turn; `heard`: the last event by which a person said something.
    `surrounded`: the sandbox was made with an image or variables of its own; `set_up`: the script that has run in it.
    `granted`: kinds of acts the person allows for the whole session, and up to which risk. `arrival`: the transition
    by which the sandbox came up last, as far as was told; `found_workspace`: the files that it had then, and
    `workspace_id` those that were filled; `asleep`: it was put away or went away since."""

    seq: int = 0
    turn_id: str = ""
    turn_open: bool = False
    turn_started_seq: int = 0
    turns: int = 0
    phase: int = StatusChanged.PHASE_UNSPECIFIED
    stopping: bool = False
    stop_seq: int = 0
    cloned: bool = False
    tree: str = ""
    base_tree: str = ""
    base_commit: str = ""
    pushes: int = 0
    spending: Spending = field(default_factory=Spending)
    unanswered: list[Event] = field(default_factory=list)
    waiting: Waiting = NOTHING
    queue_texts: dict[str, str] = field(default_factory=dict)
    open_texts: dict[str, Event] = field(default_factory=dict)
    open_commands: dict[str, Event] = field(default_factory=dict)
    open_calls: dict[str, Event] = field(default_factory=dict)
    surrounded: bool = False
    set_up: str = ""
    asked: dict[str, Event] = field(default_factory=dict)
    answers: dict[str, ApprovalResolved] = field(default_factory=dict)
    heard: int = 0
    granted: dict[int, int] = field(default_factory=dict)
    confinement: str = ""
    configured: Policy | None = None
    arrival: str = ""
    found_workspace: str = ""
    workspace_id: str = ""
    asleep: bool = False

    def apply(self, event: Event) -> None:
        """Takes the next event; kinds that change nothing here are passed over."""
        self.seq = event.seq
        self.spending.apply(event)
        kind = event.WhichOneof("payload") or ""
        if kind in FOLLOWED:
            self.waiting = followed(self.waiting, event)
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, event)

    @property
    def steps(self) -> int:
        """Model calls of the turn, without those that failed and those beside the work."""
        return int(self.spending.used[Measure.STEPS])

    @property
    def session_cost_micros(self) -> int:
        """All model calls so far."""
        return int(self.spending.used[Measure.MONEY])

    def said_after_stop(self) -> list[Event]:
        """Messages that came while a stop was under way: the next turn is theirs."""
        return [event for event in self.unanswered if self.stopping and event.seq > self.stop_seq]


def _user_message(state: SessionState, event: Event) -> None:
    state.unanswered.append(event)
    state.heard = event.seq


def _turn_started(state: SessionState, event: Event) -> None:
    state.turn_open, state.turn_id, state.turn_started_seq = True, event.turn_id, event.seq
    state.turns += 1
    state.stopping = False
    state.unanswered.clear()


def _turn_completed(state: SessionState, event: Event) -> None:
    state.turn_open, state.unanswered = False, state.said_after_stop()
    state.stopping = False
    state.asked.clear()
    state.answers.clear()


def _status(state: SessionState, event: Event) -> None:
    state.phase = event.status_changed.phase
    if state.phase == StatusChanged.PHASE_STOPPING:
        state.stopping, state.stop_seq = True, event.seq


def _queue(state: SessionState, event: Event) -> None:
    change = event.queue_changed
    if change.change in (QueueChanged.CHANGE_TAKEN, QueueChanged.CHANGE_CANCELLED):
        state.queue_texts.pop(change.queue_item_id, None)
    elif change.text:
        state.queue_texts[change.queue_item_id] = change.text


def _command_completed(state: SessionState, event: Event) -> None:
    started = state.open_commands.pop(event.item_id, None)
    if started is not None and event.command_completed.reason in _COME_TO_AN_END:
        state.set_up = started.labels.get(SETUP, state.set_up)


def _text_completed(state: SessionState, event: Event) -> None:
    state.open_texts.pop(event.item_id, None)


def _call_completed(state: SessionState, event: Event) -> None:
    state.open_calls.pop(event.item_id, None)


def _file_edited(state: SessionState, event: Event) -> None:
    state.tree = event.file_edited.tree_after or state.tree


def _checkpoint(state: SessionState, event: Event) -> None:
    created = event.checkpoint_created
    state.tree, state.cloned = created.tree, True
    state.workspace_id = state.found_workspace
    if not state.base_tree:
        state.base_tree, state.base_commit = created.tree, created.commit


def _pushed(state: SessionState, event: Event) -> None:
    state.pushes = int(event.labels.get("push", state.pushes + 1))


def _requested(state: SessionState, event: Event) -> None:
    state.asked[event.approval_requested.request_id] = event


def _resolved(state: SessionState, event: Event) -> None:
    resolved = event.approval_resolved
    state.heard = event.seq
    asked = state.asked.pop(resolved.request_id, None)
    if asked is None:
        return
    state.answers[resolved.request_id] = resolved
    request = asked.approval_requested
    if resolved.option_id == SESSION:
        state.granted[request.kind] = max(request.risk, state.granted.get(request.kind, 0))


def _sandbox(state: SessionState, event: Event) -> None:
    changed = event.sandbox_changed
    if changed.state in (SandboxChanged.STATE_READY, SandboxChanged.STATE_REBUILT):
        state.confinement = changed.reason
        state.found_workspace = changed.workspace_id or state.found_workspace
        state.arrival = event.labels.get(TRANSITION, state.arrival)
        state.asleep = False
        state.set_up = ""
        state.surrounded = state.surrounded or bool(event.labels.get(SURROUNDED))
    elif changed.state in _ASLEEP:
        state.asleep = True


def _configured(state: SessionState, event: Event) -> None:
    state.configured, state.heard = from_event(event.session_configured), event.seq


_HANDLERS: dict[str, Callable[[SessionState, Event], None]] = {
    "user_message": _user_message,
    "turn_started": _turn_started,
    "turn_completed": _turn_completed,
    "status_changed": _status,
    "queue_changed": _queue,
    "text_started": lambda state, event: state.open_texts.__setitem__(event.item_id, event),
    "text_completed": _text_completed,
    "command_started": lambda state, event: state.open_commands.__setitem__(event.item_id, event),
    "command_completed": _command_completed,
    "tool_call_started": lambda state, event: state.open_calls.__setitem__(event.item_id, event),
    "tool_call_completed": _call_completed,
    "file_edited": _file_edited,
    "checkpoint_created": _checkpoint,
    "branch_pushed": _pushed,
    "approval_requested": _requested,
    "approval_resolved": _resolved,
    "session_configured": _configured,
    "sandbox_changed": _sandbox,
}
