"""What the model says in one call: shown to the watchers token by token, its outcome stored in one append."""

import re

from lucid.sessions.v1.event_pb2 import CHANNEL_MESSAGE, CHANNEL_THOUGHT, TextStarted, ToolCallStarted, Usage

from services.rpc.ids import new_id
from services.sessions.agent.context import ARGUMENT_ERROR, REASONING
from services.sessions.agent.journal import Journal, TextItem
from services.sessions.agent.tools import title
from services.sessions.domain.conversation import CallPiece, Piece, StopPiece, TextPiece, ToolCall, UsagePiece
from services.sessions.domain.models import Draft
from services.sessions.domain.spending import CUT_SHORT, PURPOSE

TOOL_NAME_LENGTH = 64


class Answer:
    """What the model has said so far in one call, and what of it the log has.

    All its texts stay open until it has ended: if the stream breaks, every one of them is taken back.
    """

    def __init__(self, journal: Journal, model: str) -> None:
        self.calls: list[ToolCall] = []
        self.usage: UsagePiece | None = None
        self.stop: StopPiece | None = None
        self.first_piece: float = 0.0
        self._journal = journal
        self._model = model
        self._begun = journal.ports.clock.monotonic()
        self._texts: list[tuple[TextItem, bool]] = []

    @property
    def empty(self) -> bool:
        """Neither words for the person nor a call."""
        return not self.calls and all(reasoning for _, reasoning in self._texts)

    async def take(self, piece: Piece) -> None:
        """The next piece: text goes to the watchers at once, the rest waits for the end."""
        if not self.first_piece:
            self.first_piece = self._journal.ports.clock.monotonic()
        if isinstance(piece, TextPiece):
            await self._write(piece)
        elif isinstance(piece, CallPiece):
            self.calls.append(piece.call)
        elif isinstance(piece, UsagePiece):
            self.usage = piece
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
        drafts += [self._call(call) for call in self.calls]
        await self._journal.append(*drafts, self._usage())

    async def discard(self) -> None:
        """The stream broke: watchers drop its texts; what the call has cost is kept."""
        drafts = [_marked(item.completed(reset=True), reasoning) for item, reasoning in self._texts]
        if self.usage is not None:
            used = self._usage()
            used.event.labels[CUT_SHORT] = "failed"
            drafts.append(used)
        if drafts:
            await self._journal.append(*drafts)

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

    def _call(self, call: ToolCall) -> Draft:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:TOOL_NAME_LENGTH] or "unnamed"
        started = ToolCallStarted(tool=name, title=title(name, call.args))
        started.args.update(call.args)
        labels = {ARGUMENT_ERROR: call.error} if call.error else {}
        return self._journal.draft(item_id=new_id("itm"), labels=labels, tool_call_started=started)

    def _usage(self) -> Draft:
        return usage_draft(self._journal, self._model, self.usage, self._begun, self.first_piece)


def usage_draft(
    journal: Journal, model: str, usage: UsagePiece | None, begun: float, first_piece: float, purpose: str = ""
) -> Draft:
    """What a call has used. Times by the clock's `monotonic`; `purpose`: of a call that is no step of the agent."""
    used, now = usage or UsagePiece(), journal.ports.clock.monotonic()
    payload = Usage(
        model=model,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        reasoning_tokens=used.reasoning_tokens,
        cost_micros=used.cost_micros,
        currency="USD",
        session_cost_micros=journal.state.session_cost_micros + used.cost_micros,
        context_used=used.input_tokens + used.cache_read_tokens + used.cache_write_tokens + used.output_tokens,
        context_window=used.context_window,
        latency_ms=int((now - begun) * 1000),
        first_token_ms=int((first_piece - begun) * 1000) if first_piece else 0,
        price_known=used.price_known,
    )
    return journal.draft(labels={PURPOSE: purpose} if purpose else {}, usage=payload)


def _marked(draft: Draft, reasoning: bool) -> Draft:
    if reasoning:
        draft.event.labels[REASONING] = "1"
    return draft
