"""What a summary must not lose, folded from the log: the person's words, the plan, files changed, what was pushed."""

from collections.abc import Callable

from lucid.sessions.v1.event_pb2 import Event, PlanUpdated

MOST_WORDS, WORDS_LENGTH = 30, 1500
MOST_FILES = 150
_MARKS = {
    PlanUpdated.Step.STATE_DONE: "x",
    PlanUpdated.Step.STATE_IN_PROGRESS: ">",
    PlanUpdated.Step.STATE_DROPPED: "-",
}


class Facts:
    """The session so far. Nothing here is the model's own opinion."""

    def __init__(self) -> None:
        self._plan: list[PlanUpdated.Step] = []
        self._files: dict[str, list[int]] = {}
        self._words: list[tuple[int, str]] = []
        self._delivered: dict[str, str] = {}

    def apply(self, event: Event) -> None:
        """Takes the next event."""
        handler = _HANDLERS.get(event.WhichOneof("payload") or "")
        if handler is not None:
            handler(self, event)

    def told(self, upto: int) -> str:
        """For the model. `upto`: what the person has said after that event still stands in the conversation."""
        said = [text for seq, text in self._words[1:] if seq <= upto]
        words = [
            f"- {text if len(text) <= WORDS_LENGTH else text[:WORDS_LENGTH] + ' …'}" for text in said[-MOST_WORDS:]
        ]
        plan = [f"[{_MARKS.get(step.state, ' ')}] {step.text}" for step in self._plan]
        files = [f"{path} (+{added} -{removed})" for path, (added, removed) in self._files.items()]
        if len(files) > MOST_FILES:
            files = [f"… and {len(files) - MOST_FILES} more", *files[-MOST_FILES:]]
        parts = [
            ("What the person has said after the task, in their own words:", words),
            ("The plan:", plan),
            ("Files changed in this session, with lines added and removed:", files),
            ("Delivered:", list(self._delivered.values())),
        ]
        return "\n\n".join("\n".join((title, *lines)) for title, lines in parts if lines)

    def _user_message(self, event: Event) -> None:
        self._words.append((event.seq, event.user_message.text))

    def _plan_updated(self, event: Event) -> None:
        self._plan = list(event.plan_updated.steps)

    def _file_edited(self, event: Event) -> None:
        edited = event.file_edited
        counts = self._files.pop(edited.old_path or edited.path, [0, 0])
        # At the end: the files touched last are those that are named where there are too many.
        self._files[edited.path] = [counts[0] + edited.added, counts[1] + edited.removed]

    def _diff_snapshot(self, event: Event) -> None:
        """The true sums; in the order in which they were touched."""
        whole = {file.path: [file.added, file.removed] for file in event.diff_snapshot.files}
        self._files = {path: whole[path] for path in [*self._files, *whole] if path in whole}

    def _branch_pushed(self, event: Event) -> None:
        pushed = event.branch_pushed
        self._delivered["branch"] = f"branch {pushed.branch} pushed, at commit {pushed.commit}"

    def _pull_request(self, event: Event) -> None:
        changed = event.pull_request_changed
        self._delivered["pull request"] = f"pull request #{changed.number}: {changed.url}"


_HANDLERS: dict[str, Callable[[Facts, Event], None]] = {
    "user_message": Facts._user_message,
    "plan_updated": Facts._plan_updated,
    "file_edited": Facts._file_edited,
    "diff_snapshot": Facts._diff_snapshot,
    "branch_pushed": Facts._branch_pushed,
    "pull_request_changed": Facts._pull_request,
}
