"""A short, true story as records and a log, for tests that make one thing in it untrue."""

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CHANNEL_STDOUT,
    ApprovalRequested,
    ApprovalResolved,
    CaughtUp,
    CommandCompleted,
    CommandStarted,
    Delta,
    Event,
    Frame,
    QueueChanged,
    StatusChanged,
    TextCompleted,
    TextStarted,
    ToolCallCompleted,
    ToolCallStarted,
    TurnCompleted,
    TurnStarted,
    UserMessage,
)

SESSION, SANDBOX, BEGAN = "ses_1", "sbx_1", 1_800_000_000
BRANCH = "lucid/ses_1/change"


@dataclass
class Story:
    """`events` with their keys are numbered and chained when it is told, unless `rows` are given themselves."""

    events: list[tuple[str, Event]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def event(self, kind: str) -> Event:
        """The first of its kind."""
        return next(event for _, event in self.events if event.WhichOneof("payload") == kind)

    def line(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The first that says all this."""
        return next(one for one in self.lines if one["kind"] == kind and wanted.items() <= one.items())

    def number(self) -> None:
        """Makes rows of the events."""
        self.rows, before = [], b""
        for seq, (key, event) in enumerate(self.events, 1):
            event.session_id, event.epoch, event.seq, event.prev_hash = SESSION, 1, seq, before
            event.event_id = f"evt_{seq}"
            event.time.seconds = BEGAN + seq
            data = event.SerializeToString(deterministic=True)
            before = hashlib.sha256(data).digest()
            self.rows.append({"session": SESSION, "seq": seq, "key": key, "data": b64encode(data).decode()})

    def watched(self) -> None:
        """A watcher of every event, with the deltas before the ends of items."""
        self.lines = [one for one in self.lines if one["kind"] not in ("watch", "frame")]
        frames: list[Frame] = []
        for _, event in self.events:
            channel = CHANNEL_MESSAGE if event.HasField("text_completed") else CHANNEL_STDOUT
            shown = event.text_completed.text.encode() or event.command_completed.head
            if event.HasField("text_completed") or event.HasField("command_completed"):
                delta = Delta(item_id=event.item_id, channel=channel, data=shown[:3], after_seq=event.seq - 1)
                frames.append(Frame(delta=delta))
            frames.append(Frame(event=event))
        frames.append(Frame(caught_up=CaughtUp(seq=len(self.events))))
        self.say("watch", watcher="w", session=SESSION, after=0)
        for frame in frames:
            self.say("frame", watcher="w", data=b64encode(frame.SerializeToString(deterministic=True)).decode())
        self.say("settled", watchers=["w"])

    def say(self, kind: str, **fields: Any) -> None:
        """Adds a line, a moment after the one before."""
        self.lines.append({"kind": kind, "at": BEGAN + 0.001 * len(self.lines), **fields})

    def tell(self, folder: Path) -> tuple[Path, Path]:
        """The records and the log, as the checker takes them."""
        records, log = folder / "records", folder / "log.jsonl"
        records.mkdir()
        (records / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        row = {"session": SESSION, "sandbox": SANDBOX, "turn_open": False, "state": 4}
        log.write_text("".join(json.dumps(one) + "\n" for one in [row, *self.rows]))
        return records, log


def true_story() -> Story:
    """A task, a command, a follow-up that waits, a stop, a question: all in order."""
    story = Story()
    story.events = [
        ("message:req", _said("req", UserMessage.DELIVERY_TURN)),
        ("", Event(turn_id="t1", turn_started=TurnStarted())),
        ("", Event(item_id="i1", turn_id="t1", text_started=TextStarted(channel=CHANNEL_MESSAGE))),
        ("i1:completed", Event(item_id="i1", text_completed=TextCompleted(channel=CHANNEL_MESSAGE, text="Looking."))),
        ("", Event(item_id="i2", turn_id="t1", tool_call_started=ToolCallStarted(tool="run_command"))),
        ("i2c:started", Event(item_id="i2c", command_started=CommandStarted(command="echo m1 >> /workspace/marks"))),
        ("message:q1", _queued("q1", QueueChanged.CHANGE_ADDED)),
        ("", Event(status_changed=StatusChanged(phase=StatusChanged.PHASE_STOPPING))),
        ("i2c:completed", Event(item_id="i2c", command_completed=_exited(b"hello\n"))),
        ("i2:completed", Event(item_id="i2", tool_call_completed=ToolCallCompleted())),
        ("t1:completed", _turn_completed("t1", TurnCompleted.OUTCOME_INTERRUPTED)),
        ("queue:q1:taken", _queued("q1", QueueChanged.CHANGE_TAKEN)),
        ("", _said("q1", UserMessage.DELIVERY_QUEUED)),
        ("", Event(turn_id="t2", turn_started=TurnStarted())),
        ("", Event(item_id="i3", turn_id="t2", tool_call_started=ToolCallStarted(tool="ask_user"))),
        ("i3:question", Event(turn_id="t2", approval_requested=_question("i3"))),
        ("approval:i3", Event(approval_resolved=ApprovalResolved(request_id="i3", option_id="1"))),
        ("i3:completed", Event(item_id="i3", tool_call_completed=ToolCallCompleted())),
        ("t2:completed", _turn_completed("t2", TurnCompleted.OUTCOME_DONE)),
    ]
    story.number()
    operations: list[tuple[str, dict[str, Any]]] = [
        ("CreateSession", {"id": "req", "session": SESSION}),
        ("SendMessage", {"id": "q1", "session": SESSION, "seq": 7, "queued": True}),
        ("StopSession", {"session": SESSION, "stopping": True}),
        ("ResolveApproval", {"session": SESSION, "id": "i3", "option": "1"}),
    ]
    for number, (op, told) in enumerate(operations):
        story.say("begin", op=op, n=f"c-{number}")
        story.say("end", op=op, n=f"c-{number}", **told)
    story.line("end", op="StopSession")["at"] = BEGAN + 8.5
    story.say("claim", worker="w1", session=SESSION, lease=1)
    story.say("append", worker="w1", session=SESSION, lease=1, seqs=[2, 3, 4])
    story.say("fault", what="kill", worker="w1")
    story.say("claim", worker="w2", session=SESSION, lease=2)
    story.say("append", worker="w2", session=SESSION, lease=2, seqs=[5, 6])
    story.say("marks", session=SESSION, marks=["m1"])
    story.say("pulls", pulls=[["ada/tea", BRANCH]])
    story.say("sandboxes", running=[SANDBOX, "sbx_0"], known=[SANDBOX], gone={"sbx_0": 1.0})
    story.watched()
    return story


def _said(message: str, delivery: UserMessage.Delivery.ValueType) -> Event:
    return Event(user_message=UserMessage(client_message_id=message, text="Hello", delivery=delivery))


def _queued(item: str, change: QueueChanged.Change.ValueType) -> Event:
    return Event(queue_changed=QueueChanged(queue_item_id=item, change=change, text="Hello"))


def _turn_completed(turn: str, outcome: TurnCompleted.Outcome.ValueType) -> Event:
    return Event(turn_id=turn, turn_completed=TurnCompleted(outcome=outcome))


def _exited(head: bytes) -> CommandCompleted:
    return CommandCompleted(reason=CommandCompleted.REASON_EXITED, exit_code=0, head=head, total_bytes=len(head))


def _question(call: str) -> ApprovalRequested:
    return ApprovalRequested(request_id=call, about_item_id=call, kind=ApprovalRequested.KIND_QUESTION)
