"""Models behind OpenAI's chat completions protocol: OpenAI itself, Gemini, and any compatible server.

The official client makes the request and reads its refusals; the stream is read as raw events, because one parsed
object per token costs more than everything else on the token's way.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.sessions.backends.failures import classified, in_stream
from services.sessions.backends.fragments import Fragments, array, body, to_json
from services.sessions.backends.lazy import Lazy
from services.sessions.backends.pricing import load_prices, priced
from services.sessions.backends.streams import (
    NOT_A_STREAM,
    arguments,
    count,
    entries,
    frame,
    objects,
    posted,
    server_events,
    words,
)
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
    ToolResult,
    ToolSpec,
    Turn,
    UsagePiece,
    UserTurn,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
PATH = "/chat/completions"
DONE = "[DONE]"
TIMEOUT_SECONDS = 900.0
CONNECT_SECONDS = 15.0


class OpenAIModel:
    """One server. `label`: its name for people; `price_list`: its name in the price list, if it is there.

    `own_server`: the provider's, so that the list's prices hold, and not only what it says of the models.

    `with_calls`: fields that the server wants with every earlier call.
    """

    def __init__(
        self,
        label: str,
        api_key: str,
        base_url: str = "",
        price_list: str = "",
        with_calls: Mapping[str, Any] | None = None,
        own_server: bool = True,
    ) -> None:
        self._own_server = own_server
        self._with_calls = with_calls or {}
        self._label = label
        self._api_key = api_key
        self._base_url = base_url or OPENAI_URL
        self._price_list = price_list
        self._client = Lazy(self._make_client)
        self._asks_for_usage = True

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """Pieces as they come. Raises ModelFailure for everything that can go wrong."""
        answer = _Answer()
        try:
            async with aclosing(self._pieces(request, answer)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            # The cause is left out on purpose: it may hold the provider's raw answer.
            raise classified(self._label, error, answer.begun) from None

    async def close(self) -> None:
        """Lets connections go."""
        if self._client.made is not None:
            await self._client.made.close()

    async def warm(self) -> None:
        """Loads what the first call needs."""
        await self._client.get()

    async def _pieces(self, request: ModelRequest, answer: "_Answer") -> AsyncGenerator[Piece, None]:
        async with self._opened(request) as response:
            async for event in server_events(response.iter_bytes()):
                if event.data == DONE:
                    answer.complete = True
                    break
                for piece in answer.take(frame(event), self._label):
                    yield piece
        if not answer.complete:
            raise _broken(answer)
        for piece in answer.end():
            yield piece
        model = request.model.partition("/")[2]
        yield priced(answer.usage, self._price_list, model, self._own_server)
        yield StopPiece(cut=answer.cut)

    @asynccontextmanager
    async def _opened(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The response, refusals already raised. A server that does not know `stream_options` is asked without it."""
        client = await self._client.get()
        client = client.with_options(api_key=request.api_key) if request.api_key else client
        async with AsyncExitStack() as opened:
            try:
                response = await opened.enter_async_context(posted(client, PATH, self.encode(request)))
            except Exception as refusal:
                told = str(getattr(refusal, "message", ""))
                if not self._asks_for_usage or "stream_options" not in told:
                    raise
                self._asks_for_usage = False
                response = await opened.enter_async_context(posted(client, PATH, self.encode(request)))
            yield response

    def encode(self, request: ModelRequest) -> bytes:
        """The body of the HTTP request."""
        fragments = Fragments.of(request, self._label, _joins, self._message)
        fields: dict[str, Any] = {"model": request.model.partition("/")[2], "stream": True}
        if self._asks_for_usage:
            fields["stream_options"] = {"include_usage": True}
        if self._base_url == OPENAI_URL:
            # Other servers refuse a limit that does not fit into their window, or fields they do not know.
            fields["max_completion_tokens"] = request.max_output_tokens
            # Requests of one session meet the machine that has kept their beginning.
            fields["prompt_cache_key"] = request.session_id
        system = to_json({"role": "system", "content": request.system})
        ready = {"messages": array([system, *fragments.messages(request.turns)])}
        if request.tools:
            ready["tools"] = fragments.constant(request.tools, lambda: [_tool(spec) for spec in request.tools])
        return body(fields, **ready)

    def _message(self, turns: Sequence[Turn]) -> dict[str, Any]:
        turn = turns[0]
        if isinstance(turn, ToolResult):
            return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.text or "(nothing)"}
        if not isinstance(turn, AssistantTurn):
            return {"role": "user", "content": "\n\n".join(turn.text for turn in turns if isinstance(turn, UserTurn))}
        message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
        if turn.calls:
            message["tool_calls"] = [{**_call(call), **self._with_calls} for call in turn.calls]
        return message

    def _make_client(self) -> "AsyncOpenAI":
        # Imported here: it takes more than half a second, which a start without this provider should not pay.
        from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

        load_prices()
        return AsyncOpenAI(
            api_key=self._api_key or "none",
            base_url=self._base_url,
            max_retries=0,
            timeout=Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            http_client=DefaultAioHttpClient(),
        )


@dataclass
class _Call:
    call_id: str = ""
    name: str = ""
    raw: list[str] = field(default_factory=list)


@dataclass
class _Answer:
    """What has come so far. `complete`: the server has said that this is the end."""

    begun: bool = False
    complete: bool = False
    cut: bool = False
    calls: list[_Call] = field(default_factory=list)
    usage: UsagePiece = field(default_factory=UsagePiece)
    _by_index: dict[int, _Call] = field(default_factory=dict)

    def take(self, chunk: dict[str, Any], label: str) -> list[Piece]:
        """The pieces in one chunk. Raises ModelFailure for one that reports an error."""
        if chunk.get("error") or chunk.get("object") == "error":
            raise in_stream(label, chunk.get("error") or chunk)
        if chunk.get("usage"):
            self.usage = _usage(objects(chunk["usage"]))
        pieces: list[Piece] = []
        for choice in entries(chunk.get("choices"))[:1]:
            self.begun = True
            pieces += self._delta(objects(choice.get("delta")))
            if finish := words(choice.get("finish_reason")):
                self.complete, self.cut = True, finish == "length"
        return pieces

    def _delta(self, delta: dict[str, Any]) -> list[Piece]:
        pieces: list[Piece] = []
        if reasoning := words(delta.get("reasoning_content")) or words(delta.get("reasoning")):
            pieces.append(TextPiece(reasoning, reasoning=True))
        if text := words(delta.get("content")) or words(delta.get("refusal")):
            pieces.append(TextPiece(text))
        for part in entries(delta.get("tool_calls")):
            self._part(part)
            pieces.append(TextPiece(""))  # a sign of life: long arguments come without a word
        return pieces

    def _part(self, part: dict[str, Any]) -> None:
        """Part of a call; by its index, or, where a server sends none, a new call for each new id."""
        call_id, function = words(part.get("id")), objects(part.get("function"))
        index = part.get("index")
        if isinstance(index, int):
            call = self._by_index.get(index)
        else:
            call = self.calls[-1] if self.calls and not call_id else None
        if call is None or (call_id and call.call_id and call_id != call.call_id):
            call = _Call()
            self.calls.append(call)
            if isinstance(index, int):
                self._by_index[index] = call
        call.call_id = call.call_id or call_id
        call.name = call.name or words(function.get("name"))
        call.raw.append(words(function.get("arguments")))

    def end(self) -> list[Piece]:
        """The calls, once they are whole."""
        pieces: list[Piece] = []
        for number, call in enumerate(self.calls):
            args, error = arguments("".join(call.raw), cut=self.cut)
            pieces.append(CallPiece(ToolCall(call.call_id or f"call_{number}", call.name, args, error)))
        return pieces


def _broken(answer: _Answer) -> ModelFailure:
    if answer.begun:
        return ModelFailure(FailureKind.TRANSIENT, "The model's answer broke off before its end.", pieces_seen=True)
    return ModelFailure(FailureKind.TRANSIENT, NOT_A_STREAM)


def _usage(usage: dict[str, Any]) -> UsagePiece:
    cached = count(objects(usage.get("prompt_tokens_details")).get("cached_tokens"))
    return UsagePiece(
        input_tokens=max(0, count(usage.get("prompt_tokens")) - cached),
        output_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=cached,
        reasoning_tokens=count(objects(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _joins(before: Turn, turn: Turn) -> bool:
    """Templates of open models want user and assistant by turns."""
    return isinstance(before, UserTurn) and isinstance(turn, UserTurn)


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.args, ensure_ascii=False)}
    return {"id": call.call_id, "type": "function", "function": function}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
    }
