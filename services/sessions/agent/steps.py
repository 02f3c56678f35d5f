"""One model call: streamed to the watchers token by token, its outcome stored in one append."""

import asyncio
import random
import re
from contextlib import aclosing

from lucid.sessions.v1.event_pb2 import CHANNEL_MESSAGE, CHANNEL_THOUGHT, TextStarted, ToolCallStarted, Usage

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sessions.agent.context import ARGUMENT_ERROR, REASONING
from services.sessions.agent.failures import (
    RETRYABLE,
    TurnFailed,
    key_unreadable,
    model_error,
    model_refused,
)
from services.sessions.agent.journal import Journal, TextItem
from services.sessions.agent.prompt import system_prompt
from services.sessions.agent.tools import specs, title
from services.sessions.domain.conversation import (
    AssistantTurn,
    CallPiece,
    FailureKind,
    ModelFailure,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    Turn,
    UsagePiece,
    UserTurn,
)
from services.sessions.domain.models import Draft
from services.sessions.ports import LanguageModel

GO_ON = "Go on. If the task is done, call finish with a summary."
EMPTY = "Your last answer was empty. Go on with a tool call, or answer the person."
CUT = "Your last answer was cut at its length limit. Go on from there, in smaller parts."
LONGEST_PAUSE = 60.0
LONGEST_HINT = 300.0
ANNOUNCED_PAUSE = 5.0
TIMER_SECONDS = 1.0
TOOL_NAME_LENGTH = 64


class Answer:
    """What the model has said so far in one call, and what of it the log has.

    All its texts stay open until it has ended: if the stream breaks, every one of them is taken back.
    """

    def __init__(self, journal: Journal) -> None:
        self.calls: list[ToolCall] = []
        self.usage: UsagePiece | None = None
        self.stop: StopPiece | None = None
        self.first_piece: float = 0.0
        self._journal = journal
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
            drafts.append(self._usage())
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
        used, journal, now = self.usage or UsagePiece(), self._journal, self._journal.ports.clock.monotonic()
        payload = Usage(
            model=journal.record.model,
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
            latency_ms=int((now - self._begun) * 1000),
            first_token_ms=int((self.first_piece - self._begun) * 1000) if self.first_piece else 0,
            price_known=used.price_known,
        )
        return journal.draft(usage=payload)


def _marked(draft: Draft, reasoning: bool) -> Draft:
    if reasoning:
        draft.event.labels[REASONING] = "1"
    return draft


async def ask_model(journal: Journal, nudge: str = "") -> Answer:
    """The model's next answer, stored. A broken stream is tried again; raises TurnFailed once that is no use."""
    model, request = await _prepare(journal, nudge)
    for attempt in range(journal.ports.limits.model_retries + 1):
        answer = Answer(journal)
        try:
            await _stream(journal, model, request, answer)
        except ModelFailure as failure:
            await answer.discard()
            last = attempt == journal.ports.limits.model_retries
            await _after_failure(journal, failure, attempt, last)
        else:
            await answer.store()
            return answer
    raise TurnFailed


async def _prepare(journal: Journal, nudge: str) -> tuple[LanguageModel, ModelRequest]:
    record, ports = journal.record, journal.ports
    try:
        model = ports.models.open(record.model)
        key = ports.sealer.open(record.owner_id, record.model_key_sealed) if record.model_key_sealed else ""
    except LucidError as refusal:
        await journal.append(journal.draft(system=True, error=model_refused(refusal)))
        raise TurnFailed from refusal
    except ValueError as altered:
        await journal.append(journal.draft(system=True, error=key_unreadable()))
        raise TurnFailed from altered
    system = system_prompt(record, journal.workdir)
    request = ModelRequest(
        model=record.model,
        system=system,
        turns=_turns(journal, nudge),
        tools=specs(record.repository is not None),
        session_id=record.session_id,
        api_key=key,
        memo=journal.memo,
    )
    return model, request


def _turns(journal: Journal, nudge: str) -> tuple[Turn, ...]:
    """The folded turns; the last one is never the model's own."""
    turns = journal.context.turns()
    if nudge or not turns or isinstance(turns[-1], AssistantTurn):
        return (*turns, UserTurn(nudge or GO_ON))
    return turns


async def _stream(journal: Journal, model: LanguageModel, request: ModelRequest, answer: Answer) -> None:
    limits, loop = journal.ports.limits, asyncio.get_running_loop()
    moved = 0.0
    try:
        async with asyncio.timeout(limits.first_token_timeout) as patience:
            async with aclosing(model.stream(request)) as pieces:
                async for piece in pieces:
                    # Moving the timer for every token would cost more than the token.
                    if (now := loop.time()) - moved > TIMER_SECONDS:
                        patience.reschedule(now + limits.between_tokens_timeout)
                        moved = now
                    await answer.take(piece)
    except TimeoutError:
        seconds = limits.between_tokens_timeout if answer.first_piece else limits.first_token_timeout
        message = f"The model has sent nothing for {seconds:.0f} s."
        raise ModelFailure(FailureKind.TRANSIENT, message, pieces_seen=bool(answer.first_piece)) from None
    if answer.stop is None:
        raise ModelFailure(FailureKind.TRANSIENT, "The model's answer broke off.", pieces_seen=True)


def _back_off(attempt: int) -> float:
    """Between half and all of it: sessions that failed together do not come back together."""
    return min(LONGEST_PAUSE, 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311


async def _after_failure(journal: Journal, failure: ModelFailure, attempt: int, last: bool) -> None:
    """Waits before the next try, or ends the turn with a card that says what to do."""
    pause = failure.retry_after or _back_off(attempt)
    if last or failure.kind not in RETRYABLE or pause > LONGEST_HINT:
        await journal.append(journal.draft(system=True, error=model_error(failure)))
        raise TurnFailed from failure
    if pause >= ANNOUNCED_PAUSE:
        await journal.append(journal.draft(system=True, error=model_error(failure, wait=pause)))
    await journal.ports.clock.sleep(pause)
