"""Sees that the agent goes round in circles, folded from the log: the same step, the same error, a monologue, or two
steps by turns. What changes from one time to the next, as a poll's output does, is no repetition."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import Event, StuckDetected, ToolCallCompleted, ToolCallStarted

from services.sessions.domain.spending import CUT_SHORT, PURPOSE

# What a command without output is said to have printed.
NO_OUTPUT = "[no output]"
REPEATED_CALL, REPEATED_ERROR, MONOLOGUE, ALTERNATION = "repeated_call", "repeated_error", "monologue", "alternation"
REPEATS, TURNS = 3, 6
_SEEN = {
    REPEATED_CALL: "the same call with the same result, {} times",
    REPEATED_ERROR: "the same error, {} times",
    MONOLOGUE: "{} answers without a tool call or an end",
    ALTERNATION: "two steps by turns, {} in all, with nothing new",
}
GO_ON, STOP = "go_on", "stop"


def described(pattern: str, repeats: int) -> str:
    """In words, for people and for the model."""
    return _SEEN.get(pattern, pattern).format(repeats)


@dataclass(frozen=True)
class _Step:
    """What the model called in one answer and what came of it. `error`: what went wrong, where nothing else came."""

    done: int
    error: int | None


class Repetition:
    """Since the turn began, or since the person last said something. `nudged`: the model was told. `request_id`: the
    person is asked; `stopped`: and says stop; `words`: and has written this on the card that `answered_id` names, which
    the model has not heard yet. `seen`: the last pattern."""

    def __init__(self) -> None:
        self._turn_id = ""
        self._asked = 0
        self._calls: dict[str, ToolCallStarted] = {}
        self._results: dict[str, ToolCallCompleted] = {}
        self._reset()

    def apply(self, event: Event) -> None:
        """Takes the next event."""
        handler = _HANDLERS.get(event.WhichOneof("payload") or "")
        if handler is not None:
            handler(self, event)

    def pattern(self) -> tuple[str, int]:
        """Which one is seen, and how often it was repeated; empty: none."""
        steps = list(self._steps)
        if self._silent >= REPEATS:
            return MONOLOGUE, self._silent
        last = steps[-REPEATS:]
        if len(last) == REPEATS and len({step.done for step in last}) == 1:
            return REPEATED_CALL, REPEATS
        if len(last) == REPEATS and last[0].error is not None and len({step.error for step in last}) == 1:
            return REPEATED_ERROR, REPEATS
        if len(steps) == TURNS and len({step.done for step in steps[::2]} | {step.done for step in steps[1::2]}) == 2:
            alternate = all(one.done == other.done for one, other in zip(steps, steps[2:], strict=False))
            return (ALTERNATION, TURNS) if alternate else ("", 0)
        return "", 0

    def _reset(self) -> None:
        self.nudged, self.request_id, self.stopped = False, "", False
        self.answered_id, self.words = "", ""
        self.seen: tuple[str, int] = ("", 0)
        self._said = False
        self._forget()

    def _forget(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=TURNS)
        self._silent = 0

    def _turn_started(self, event: Event) -> None:
        self._turn_id, self._asked = event.turn_id, 0
        self._calls, self._results = {}, {}
        self._reset()

    def _user_message(self, event: Event) -> None:
        if self.request_id:
            self._said = True
        else:
            self._reset()

    def _call_started(self, event: Event) -> None:
        if self._results:
            self._calls, self._results = {}, {}
        self._calls[event.item_id] = event.tool_call_started

    def _call_completed(self, event: Event) -> None:
        if event.item_id in self._calls:
            self._results[event.item_id] = event.tool_call_completed
            if len(self._results) == len(self._calls):
                self._steps.append(_step([(self._calls[item], self._results[item]) for item in self._calls]))
                self._calls, self._results = {}, {}

    def _usage(self, event: Event) -> None:
        if event.labels.get(PURPOSE) or event.labels.get(CUT_SHORT):
            return
        # An answer's calls are stored in front of its usage.
        self._silent = 0 if self._calls else self._silent + 1

    def _stuck(self, event: Event) -> None:
        detected = event.stuck_detected
        self.seen = (detected.pattern, detected.repeats)
        self._forget()
        if detected.action == StuckDetected.ACTION_NUDGED:
            self.nudged = True
        elif detected.action == StuckDetected.ACTION_ASKED:
            self._asked += 1
            self.request_id = f"{self._turn_id}:stuck:{self._asked}"

    def _resolved(self, event: Event) -> None:
        answer = event.approval_resolved
        if not self.request_id or answer.request_id != self.request_id:
            return
        if answer.expired or answer.option_id == STOP:
            self.stopped = True
            return
        words = "" if self._said else answer.text
        self._reset()
        self.answered_id, self.words = answer.request_id, words


def _step(calls: list[tuple[ToolCallStarted, ToolCallCompleted]]) -> _Step:
    done = hash(tuple((_call(call), result.ok, result.result_text) for call, result in calls))
    errors = [_error(call, result) for call, result in calls]
    return _Step(done, None if None in errors else hash(tuple(errors)))


def _call(call: ToolCallStarted) -> tuple[str, bytes]:
    return call.tool, call.args.SerializeToString(deterministic=True)


def _error(call: ToolCallStarted, result: ToolCallCompleted) -> tuple[str, str, str] | None:
    """What is the same where only the call's details differ. The same refusal for another file is another error, and a
    command that fails without a word (a search that finds nothing) tells nothing about the next one."""
    if result.ok or NO_OUTPUT in result.result_text:
        return None
    path = call.args.fields["path"].string_value if "path" in call.args.fields else ""
    return call.tool, path, result.result_text


_HANDLERS: dict[str, Callable[[Repetition, Event], None]] = {
    "turn_started": Repetition._turn_started,
    "user_message": Repetition._user_message,
    "tool_call_started": Repetition._call_started,
    "tool_call_completed": Repetition._call_completed,
    "usage": Repetition._usage,
    "stuck_detected": Repetition._stuck,
    "approval_resolved": Repetition._resolved,
}
