"""Events as the old chat rows: role, words and the original's names, the whole payload in `metadataJson`."""

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from lucid.sessions.v1 import event_pb2 as pb
from pydantic import BaseModel

from services.gateway.rest.shapes import iso

OUTPUT_LONGEST = 2000
ROLES = {pb.SOURCE_USER: "user", pb.SOURCE_AGENT: "assistant"}
THOUGHT, ANSWER = "ThinkAction", "MessageAction"
INITIAL, FOLLOW_UP = "InitialTask", "FollowUp"


class MessageRow(BaseModel):
    """One row of a chat."""

    id: str
    role: str
    content: str
    eventType: str
    metadataJson: dict[str, Any]
    createdAt: str


class ChatRows:
    """Turns a session's events into rows, in order; kinds that the old chat had no words for are left out."""

    def __init__(self) -> None:
        self._begun = False

    def row(self, event: pb.Event) -> MessageRow | None:
        """The row of an event, or None."""
        kind = event.WhichOneof("payload")
        if kind is None or kind not in WORDS:
            return None
        return MessageRow(
            id=event.event_id,
            role="user" if kind == "user_message" else ROLES.get(event.source, "system"),
            content=WORDS[kind](event),
            eventType=self._name(kind, event),
            metadataJson=MessageToDict(getattr(event, kind)),
            createdAt=iso(event.time),
        )

    def _name(self, kind: str, event: pb.Event) -> str:
        if kind == "user_message":
            name = FOLLOW_UP if self._begun else INITIAL
            self._begun = True
            return name
        if kind == "text_completed":
            return THOUGHT if event.text_completed.channel == pb.CHANNEL_THOUGHT else ANSWER
        if kind == "file_edited":
            return "FileWriteAction" if event.file_edited.kind == pb.FileEdited.KIND_ADDED else "FileEditAction"
        return NAMES[kind]


NAMES = {
    "command_started": "CmdRunAction",
    "command_completed": "CmdOutputObservation",
    "error": "error",
    "turn_completed": "TurnCompleted",
    "plan_updated": "PlanUpdated",
    "pull_request_changed": "PullRequestChanged",
    "approval_requested": "ApprovalRequested",
    "approval_resolved": "ApprovalResolved",
}


def _output(event: pb.Event) -> str:
    done = event.command_completed
    text = done.head.decode("utf-8", "replace")
    if done.truncated:
        half = OUTPUT_LONGEST // 2
        return f"{text[:half]}\n…\n{done.tail.decode('utf-8', 'replace')[-half:]}"
    return text if len(text) <= OUTPUT_LONGEST else f"{text[: OUTPUT_LONGEST // 2]}\n…\n{text[-OUTPUT_LONGEST // 2 :]}"


def _edit(event: pb.Event) -> str:
    edit = event.file_edited
    return f"{edit.path} +{edit.added} -{edit.removed}"


def _plan(event: pb.Event) -> str:
    marks = {pb.PlanUpdated.Step.STATE_DONE: "x", pb.PlanUpdated.Step.STATE_IN_PROGRESS: "~"}
    return "\n".join(f"[{marks.get(step.state, ' ')}] {step.text}" for step in event.plan_updated.steps)


def _pull_request(event: pb.Event) -> str:
    change = event.pull_request_changed
    return f"#{change.number} {change.title} {change.url}"


WORDS: dict[str, Callable[[pb.Event], str]] = {
    "user_message": lambda event: event.user_message.text,
    "text_completed": lambda event: event.text_completed.text,
    "command_started": lambda event: event.command_started.command,
    "command_completed": _output,
    "file_edited": _edit,
    "error": lambda event: event.error.message,
    "turn_completed": lambda event: event.turn_completed.summary,
    "plan_updated": _plan,
    "pull_request_changed": _pull_request,
    "approval_requested": lambda event: event.approval_requested.title,
    "approval_resolved": lambda event: event.approval_resolved.text or event.approval_resolved.option_id,
}
