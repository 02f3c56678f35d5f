"""The conversation as the model sees it, folded from the log one event at a time."""

from collections.abc import Callable

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CommandCompleted,
    Event,
    FileEdited,
    ModelSelected,
    SandboxChanged,
    StuckDetected,
)

from services.sessions.agent.arguments import plain
from services.sessions.agent.facts import Facts
from services.sessions.agent.history import History, size_of
from services.sessions.agent.repetition import described
from services.sessions.agent.rewinding import REWIND, rewound
from services.sessions.agent.sandbox_notes import sandbox_note
from services.sessions.domain.conversation import AssistantTurn, ToolCall, ToolResult, Turn, UserTurn
from services.sessions.domain.spending import CUT_SHORT, PURPOSE
from services.sessions.domain.state import SETUP, SURROUNDED

REASONING = "reasoning"
ARGUMENT_ERROR = "argument_error"
FINISH = "finish"
CUT = "\n[interrupted here]"
NO_RESULT = "This call was interrupted before its result was known. Look at the state of things before you repeat it."
SUMMARY_LENGTH = 2000
SETUP_LENGTH = 3000
_NUDGES: dict[int, str] = {
    StuckDetected.ACTION_NUDGED: "[Lucid] You go round in circles: {}. It will not come out differently. Think about "
    "what you know and take another way. If there is none, say so: finish, or ask the person.",
    StuckDetected.ACTION_ASKED: "[Lucid] You still go round in circles: {}. The person was asked what to do.",
}


def setup_told(done: CommandCompleted) -> str:
    """What the agent reads of the set-up script's end."""
    if done.reason == CommandCompleted.REASON_EXITED and done.exit_code == 0:
        return "[Lucid] The set-up script of this environment has run, with exit code 0."
    name = CommandCompleted.Reason.Name(done.reason).removeprefix("REASON_").lower()
    how = f"exit code {done.exit_code}" if done.reason == CommandCompleted.REASON_EXITED else name
    words = (done.tail or done.head).decode(errors="replace").strip()[-SETUP_LENGTH:]
    return (
        f"[Lucid] The set-up script of this environment failed ({how}): what it should install or prepare may be "
        f"missing. The end of what it printed:\n{words}"
    )


class Context:
    """Turns for the next model call. One answer of the model: the texts and calls up to the next tool result.

    `window`: tokens that the model which answered last can take; 0 = not known. `fallback`: the model that stands in
    for the session's own for the rest of the turn; empty = none.

    `summary`: the closing words of the turn. `ended`: the agent has said that it is done. `cwd`: where its last
    command left off. `thought_item_id`: the text that stands before what comes next.
    """

    def __init__(self, opening: Callable[[str], str] = str) -> None:
        self._opening = opening
        self.summary = ""
        self.ended = False
        self.cwd = ""
        self.thought_item_id = ""
        self.history = History()
        self.facts = Facts()
        self.window = 0
        self.fallback = ""
        self._begun = 0
        self._texts: list[str] = []
        self._calls: dict[str, ToolCall] = {}
        self._results: dict[str, ToolResult] = {}
        self._later: list[UserTurn] = []
        self._reasoning: set[str] = set()
        self._commands: set[str] = set()
        self._rewound: list[str] = []
        self._setups: set[str] = set()

    def apply(self, event: Event) -> None:
        """Takes the next event; kinds that the model is not told about are passed over."""
        self.facts.apply(event)
        handler = _HANDLERS.get(event.WhichOneof("payload") or "")
        if handler is not None:
            handler(self, event)

    def turns(self) -> tuple[Turn, ...]:
        """All turns so far. A call without a result gets one that says so; what was said in between comes after."""
        return (*self.history.turns(), *self._answer())

    def _answer(self) -> list[Turn]:
        turns: list[Turn] = []
        if self._texts or self._calls:
            turns.append(AssistantTurn("\n\n".join(self._texts), tuple(self._calls.values())))
        turns += [self._results.get(call_id, ToolResult(call_id, NO_RESULT, ok=False)) for call_id in self._calls]
        return turns + self._later

    def _begin_answer(self, event: Event) -> None:
        if self._results:
            self._close_answer()
        self._begun = self._begun or event.seq

    def _close_answer(self) -> None:
        self.history.add(self._begun, self._answer())
        self._begun = 0
        self._texts, self._later = [], []
        self._calls, self._results = {}, {}

    def _turn_started(self, event: Event) -> None:
        self.ended, self.summary, self.fallback = False, "", ""

    def _user_message(self, event: Event) -> None:
        self.ended = False
        if self._calls:
            self._later.append(UserTurn(event.user_message.text))
            return
        self._close_answer()
        text = event.user_message.text
        self.history.add(event.seq, [UserTurn(text if self.history.turns() else self._opening(text))])

    def _text_started(self, event: Event) -> None:
        if event.labels.get(REASONING):
            self._reasoning.add(event.item_id)

    def _text_completed(self, event: Event) -> None:
        done = event.text_completed
        reasoning = event.item_id in self._reasoning or bool(event.labels.get(REASONING))
        self._reasoning.discard(event.item_id)
        if done.reset:
            return
        self.thought_item_id = event.item_id
        if reasoning or not done.text.strip():
            return
        self._begin_answer(event)
        self._texts.append(done.text + CUT if done.interrupted else done.text)
        if done.channel == CHANNEL_MESSAGE and not done.interrupted:
            self.ended, self.summary = True, done.text.strip()[:SUMMARY_LENGTH]

    def _call_started(self, event: Event) -> None:
        self._begin_answer(event)
        started = event.tool_call_started
        error = event.labels.get(ARGUMENT_ERROR, "")
        self._calls[event.item_id] = ToolCall(event.item_id, started.tool, plain(started.args), error)

    def _call_completed(self, event: Event) -> None:
        call, done = self._calls.get(event.item_id), event.tool_call_completed
        if call is None or event.item_id in self._results:
            return
        self._results[event.item_id] = ToolResult(event.item_id, done.result_text, done.ok)
        if call.name == FINISH and done.ok:
            self.ended, self.summary = True, str(call.args.get("summary", "")).strip()[:SUMMARY_LENGTH]
        if len(self._results) == len(self._calls):
            self._close_answer()

    def _command_started(self, event: Event) -> None:
        if event.parent_item_id:
            self._commands.add(event.item_id)
        elif event.labels.get(SETUP):
            self._setups.add(event.item_id)

    def _command_completed(self, event: Event) -> None:
        if event.item_id in self._setups:
            self._setups.discard(event.item_id)
            self._told(event, setup_told(event.command_completed))
        if event.item_id in self._commands:
            self._commands.discard(event.item_id)
            self.cwd = event.command_completed.cwd_after or self.cwd

    def _usage(self, event: Event) -> None:
        if event.labels.get(PURPOSE) or event.labels.get(CUT_SHORT):
            return
        self.window = event.usage.context_window
        if event.usage.context_used:
            self.history.counted(event.usage.context_used, size_of(self._answer()))

    def _model_selected(self, event: Event) -> None:
        if event.model_selected.reason == ModelSelected.REASON_FALLBACK:
            self.fallback = event.model_selected.model

    def _stuck(self, event: Event) -> None:
        detected = event.stuck_detected
        text = _NUDGES.get(detected.action, "").format(described(detected.pattern, detected.repeats))
        if text:
            self._told(event, text)

    def _sandbox(self, event: Event) -> None:
        changed = event.sandbox_changed
        if changed.state == SandboxChanged.STATE_REBUILT and changed.workspace_id and not changed.workspace_kept:
            self.cwd = ""
        # What it is made with is not news to the model: it has asked for it, or is told in other words.
        if SURROUNDED not in event.labels and (text := sandbox_note(changed)):
            self._told(event, text)

    def _told(self, event: Event, text: str) -> None:
        """Words of Lucid's own, after what is being answered."""
        if self._calls:
            self._later.append(UserTurn(text))
            return
        self._close_answer()
        self.history.add(event.seq, [UserTurn(text)])

    def _file_edited(self, event: Event) -> None:
        edited = event.file_edited
        if edited.via == FileEdited.VIA_REWIND:
            self._rewound.append(edited.path)

    def _checkpoint(self, event: Event) -> None:
        """The person has gone back: what the model knows of these files is not true any more."""
        created, paths = event.checkpoint_created, self._rewound
        if created.reason != REWIND:
            return
        self._rewound = []
        turn = UserTurn(rewound(paths, created))
        if self._calls:
            self._later.append(turn)
            return
        self._close_answer()
        self.history.add(event.seq, [turn])

    def _compacted(self, event: Event) -> None:
        done = event.context_compacted
        self.history.compact(done.from_seq, done.to_seq, done.summary, done.tokens_after)


_HANDLERS: dict[str, Callable[[Context, Event], None]] = {
    "turn_started": Context._turn_started,
    "user_message": Context._user_message,
    "usage": Context._usage,
    "stuck_detected": Context._stuck,
    "sandbox_changed": Context._sandbox,
    "model_selected": Context._model_selected,
    "context_compacted": Context._compacted,
    "file_edited": Context._file_edited,
    "checkpoint_created": Context._checkpoint,
    "text_started": Context._text_started,
    "text_completed": Context._text_completed,
    "tool_call_started": Context._call_started,
    "tool_call_completed": Context._call_completed,
    "command_started": Context._command_started,
    "command_completed": Context._command_completed,
}
