"""The model of a replay: one recorded answer after the other, whatever is asked."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

from lucid.sessions.v1.event_pb2 import CHANNEL_THOUGHT, Error, Event, ModelSelected

from services.sessions.agent.arguments import plain
from services.sessions.agent.context import ARGUMENT_ERROR, REASONING
from services.sessions.agent.failures import RETRYABLE, model_error
from services.sessions.agent.usage import FAILED
from services.sessions.domain.conversation import (
    CallPiece,
    FailureKind,
    ModelFailure,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    UsagePiece,
)
from services.sessions.domain.spending import CUT_SHORT, ESTIMATED
from services.sessions.ports import LanguageModel
from services.sessions.replay.recording import is_persons
from services.sessions.replay.script import NotRecorded, Script

NOTES = "Notes:\n"
# Far beyond what is waited for; and so short that no wait is announced, whose length is chance.
NEVER, AT_ONCE = 1e6, 0.001


class PlayedModel:
    """The Models port and the one model in it."""

    def __init__(self, script: Script, default: str) -> None:
        self._script = script
        self.default = default

    @property
    def fallback(self) -> str:
        """The one that stood in, if one did."""
        chosen = (event.model_selected for event in self._script.events if event.HasField("model_selected"))
        return next((each.model for each in chosen if each.reason == ModelSelected.REASON_FALLBACK), "")

    def names(self) -> tuple[str, ...]:
        """The recorded one."""
        return (self.default,)

    def check(self, model: str, has_own_key: bool) -> None:
        """All are known."""

    def open(self, model: str) -> LanguageModel:
        """Itself."""
        return self

    def price(self, model: str, usage: UsagePiece) -> UsagePiece:
        """As recorded."""
        recorded = self._script.next_of("usage")
        if recorded is None:
            return usage
        return replace(usage, cost_micros=recorded.usage.cost_micros, price_known=recorded.usage.price_known)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """The recorded call up to where it ended: by itself, by a failure, or by a person's stop."""
        call = self._call()
        used = call[-1]
        ended = used.labels.get(CUT_SHORT)
        for piece in _notes(call) if not request.tools else _answer(call):
            yield piece
        if ended == FAILED:
            if used.labels.get(ESTIMATED):
                yield _usage(used)
            raise self._failure(used)
        yield _usage(used)
        if ended:
            await self._script.hang()
        yield StopPiece(cut=_cut(call))

    def _call(self) -> list[Event]:
        """Everything of the next call, and last what it has used. A stop ends its texts only after that."""
        call: list[Event] = []
        used: Event | None = None
        for event in self._script.ahead():
            if used is None and event.HasField("usage"):
                used = event
                if event.labels.get(CUT_SHORT, FAILED) == FAILED:
                    break
            elif used is not None and not event.HasField("text_completed"):
                break
            else:
                call.append(event)
        if used is None:
            raise NotRecorded("a call of the model")
        return [*call, used]

    def _failure(self, used: Event) -> ModelFailure:
        """What fails so that what was recorded next comes next."""
        after = (event for event in self._script.ahead() if event.seq > used.seq and not is_persons(event))
        then = next(after, Event())
        match then.WhichOneof("payload"):
            case "error":
                return _told_by(then.error)
            case "context_compacted":
                return ModelFailure(FailureKind.CONTEXT, "The context is full.")
            case "model_selected":
                return ModelFailure(FailureKind.CONFIG, then.model_selected.detail.partition(": ")[2])
        return ModelFailure(FailureKind.TRANSIENT, "The model's answer broke off.", AT_ONCE, pieces_seen=True)


def _answer(call: list[Event]) -> Iterator[Piece]:
    for event in call:
        if event.HasField("text_completed"):
            yield TextPiece(event.text_completed.text, reasoning=bool(event.labels.get(REASONING)))
        elif event.HasField("tool_call_started"):
            started, error = event.tool_call_started, event.labels.get(ARGUMENT_ERROR, "")
            yield CallPiece(ToolCall(event.item_id, started.tool, plain(started.args), error))


def _notes(call: list[Event]) -> Iterator[Piece]:
    for event in call:
        if event.HasField("context_compacted"):
            yield TextPiece(event.context_compacted.summary.partition(NOTES)[2])


def _cut(call: list[Event]) -> bool:
    """An answer without calls that is no message was cut at the model's limit."""
    spoken = [event for event in call if event.HasField("text_completed") and not event.labels.get(REASONING)]
    calls = any(event.HasField("tool_call_started") for event in call)
    return bool(spoken) and not calls and spoken[-1].text_completed.channel == CHANNEL_THOUGHT


def _usage(event: Event) -> UsagePiece:
    used = event.usage
    return UsagePiece(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        reasoning_tokens=used.reasoning_tokens,
        cost_micros=used.cost_micros,
        price_known=used.price_known,
        context_window=used.context_window,
    )


def _told_by(error: Error) -> ModelFailure:
    """The failure that such a card tells of."""
    broken = error.code == "MODEL_STREAM_BROKEN"
    kinds = (kind for kind in FailureKind if model_error(ModelFailure(kind, "")).code == error.code)
    kind = next(kinds, FailureKind.TRANSIENT)
    hint = error.retry_after_ms / 1000 if error.retryable else NEVER if kind in RETRYABLE else 0.0
    return ModelFailure(kind, error.message, hint, pieces_seen=broken)
