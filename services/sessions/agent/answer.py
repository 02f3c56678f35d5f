"""What the model says in one call: shown to the watchers token by token, its outcome stored in one append."""

import re
from contextlib import suppress

from lucid.sessions.v1.event_pb2 import CHANNEL_MESSAGE, CHANNEL_THOUGHT, TextStarted, ToolCallStarted

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sessions.agent.context import ARGUMENT_ERROR, REASONING
from services.sessions.agent.journal import Journal, TextItem
from services.sessions.agent.tools import title
from services.sessions.agent.usage import FAILED, STOPPED, ModelCall
from services.sessions.domain.conversation import (
    CallPiece,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    UsagePiece,
)
from services.sessions.domain.models import Draft

TOOL_NAME_LENGTH = 64


class Answer:
    """What the model has said so far in one call, and what of it the log has.

    All its texts stay open until it has ended: if the stream breaks, every one of them is taken back.
    """

    def __init__(self, journal: Journal, request: ModelRequest) -> None:
        self.calls: list[ToolCall] = []
        self.stop: StopPiece | None = None
        self._journal = journal
        self._call = ModelCall(journal, request)
        self._texts: list[tuple[TextItem, bool]] = []

    @property
    def empty(self) -> bool:
        """Neither words for the person nor a call."""
        return not self.calls and all(reasoning for _, reasoning in self._texts)

    async def take(self, piece: Piece) -> None:
        """The next piece: text goes to the watchers at once, the rest waits for the end."""
        if not self._call.first_piece:
            self._call.begins()
        if isinstance(piece, TextPiece):
            await self._write(piece)
        elif isinstance(piece, CallPiece):
            self.calls.append(piece.call)
        elif isinstance(piece, UsagePiece):
            self._call.usage = piece
        else:
            self.stop = piece

    async def store(self) -> None:
        """The whole answer in one append: its texts, its calls, its usage."""
        final = not self.calls and not (self.stop and self.stop.cut)
        spoken = [item for item, reasoning in self._texts if not reasoning]
        drafts = []
        for item, reasoning in self._texts:
            is_message = final and item is spoken[-1] if spoken else False
            drafts.append(_marked(item.completed(CHANNEL_MESSAGE if is_message else CHANNEL_THOUGHT), reasoning))
        drafts += [self._started(call) for call in self.calls]
        await self._journal.append(*drafts, self._call.ended(self._written()))

    async def discard(self) -> None:
        """The call failed: watchers drop its texts; what it has cost is kept."""
        drafts = [_marked(item.completed(reset=True), reasoning) for item, reasoning in self._texts]
        await self._journal.append(*drafts, self._call.cut_short(FAILED, self._written()))

    async def stopped(self) -> None:
        """The call was cut: what it has cost is kept; who cut it ends its texts."""
        with suppress(LucidError):
            await self._journal.append(self._call.cut_short(STOPPED, self._written()))

    def _written(self) -> list[str]:
        return [*(item.text for item, _ in self._texts), *(str(call.args) for call in self.calls)]

    async def _write(self, piece: TextPiece) -> None:
        text = piece.text.encode("utf-8", "replace").decode()
        if not self._texts or self._texts[-1][1] != piece.reasoning:
            if not text.strip():
                return
            await self._open(piece.reasoning)
        if text:
            self._texts[-1][0].write(text)

    async def _open(self, reasoning: bool) -> None:
        journal, item = self._journal, TextItem(self._journal, new_id("itm"), CHANNEL_THOUGHT)
        self._texts.append((item, reasoning))
        journal.ports.live.open(journal.session_id, item.item_id, CHANNEL_THOUGHT)
        started = journal.draft(item_id=item.item_id, text_started=TextStarted(channel=CHANNEL_THOUGHT))
        await journal.append(_marked(started, reasoning))

    def _started(self, call: ToolCall) -> Draft:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:TOOL_NAME_LENGTH] or "unnamed"
        started = ToolCallStarted(tool=name, title=title(name, call.args))
        started.args.update(call.args)
        labels = {ARGUMENT_ERROR: call.error} if call.error else {}
        return self._journal.draft(item_id=new_id("itm"), labels=labels, tool_call_started=started)


def _marked(draft: Draft, reasoning: bool) -> Draft:
    if reasoning:
        draft.event.labels[REASONING] = "1"
    return draft
