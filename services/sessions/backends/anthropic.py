"""Models behind Anthropic's messages protocol.

The official client makes the request and reads its refusals; the stream is read as raw events, for the reason given in
openai.py, and because a stream without `message_stop` must be noticed.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
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
)

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

ANTHROPIC_URL = "https://api.anthropic.com"
TIMEOUT_SECONDS = 900.0
CONNECT_SECONDS = 15.0
LABEL = "Anthropic"
CACHED = {"type": "ephemeral"}
CACHED_TURNS = 2
_USER = b'{"role":"user"'
_MARK = b',"cache_control":{"type":"ephemeral"}}]}'


class AnthropicModel:
    """One server. `own_server`: the provider's, so that its price list holds."""

    def __init__(self, api_key: str, base_url: str = "", own_server: bool = True) -> None:
        self._own_server = own_server
        self._api_key = api_key
        self._base_url = base_url or ANTHROPIC_URL
        self._client = Lazy(self._make_client)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """Pieces as they come. Raises ModelFailure for everything that can go wrong."""
        answer = _Answer()
        try:
            async with aclosing(self._pieces(request, answer)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as error:
            # The cause is left out on purpose: it may hold the provider's raw answer.
            raise classified(LABEL, error, answer.begun) from None

    async def close(self) -> None:
        """Lets connections go."""
        if self._client.made is not None:
            await self._client.made.close()

    async def warm(self) -> None:
        """Loads what the first call needs."""
        await self._client.get()

    async def _pieces(self, request: ModelRequest, answer: "_Answer") -> AsyncGenerator[Piece, None]:
        model = request.model.partition("/")[2]
        client = await self._client.get()
        client = client.with_options(api_key=request.api_key) if request.api_key else client
        async with posted(client, "/v1/messages", self.encode(request)) as response:
            async for event in server_events(response.iter_bytes()):
                for piece in answer.take(frame(event)):
                    yield (
                        priced(piece, "anthropic", model, self._own_server) if isinstance(piece, UsagePiece) else piece
                    )
                if answer.complete:
                    break
        if not answer.complete:
            broken = "The model's answer broke off before its end." if answer.begun else NOT_A_STREAM
            raise ModelFailure(FailureKind.TRANSIENT, broken, pieces_seen=answer.begun)
        yield priced(answer.usage, "anthropic", model, self._own_server)
        yield StopPiece(cut=answer.cut)

    def encode(self, request: ModelRequest) -> bytes:
        """The body of the HTTP request."""
        fragments = Fragments.of(request, LABEL, _joins, _message)
        fields = {"model": request.model.partition("/")[2], "max_tokens": request.max_output_tokens, "stream": True}
        ready = {"messages": array(_cached(fragments.messages(request.turns)))}
        system = [{"type": "text", "text": request.system, "cache_control": CACHED}]
        ready["system"] = to_json(system)
        if request.tools:
            ready["tools"] = fragments.constant(request.tools, lambda: _tools(request.tools))
        return body(fields, **ready)

    def _make_client(self) -> "AsyncAnthropic":
        # Imported here: it takes more than a second, which a start without this provider should not pay.
        from anthropic import AsyncAnthropic, DefaultAioHttpClient, Timeout

        load_prices()
        return AsyncAnthropic(
            api_key=self._api_key or "none",
            base_url=self._base_url,
            max_retries=0,
            timeout=Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            http_client=DefaultAioHttpClient(),
        )


@dataclass
class _Block:
    kind: str
    call_id: str = ""
    name: str = ""
    raw: list[str] = field(default_factory=list)


@dataclass
class _Answer:
    """What has come so far. `complete`: the server has said that this is the end."""

    begun: bool = False
    complete: bool = False
    cut: bool = False
    usage: UsagePiece = field(default_factory=UsagePiece)
    _blocks: dict[int, _Block] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> list[Piece]:
        """The pieces in one event. Raises ModelFailure for one that reports an error."""
        match event.get("type"):
            case "error":
                raise in_stream(LABEL, event.get("error"))
            case "message_start":
                self.begun = True
                self._count(objects(event.get("message")).get("usage"))
                return [self.usage]
            case "content_block_start":
                return self._start(count(event.get("index")), objects(event.get("content_block")))
            case "content_block_delta":
                return self._delta(count(event.get("index")), objects(event.get("delta")))
            case "content_block_stop":
                return self._stop(count(event.get("index")))
            case "message_delta":
                self._count(event.get("usage"))
                self.cut = objects(event.get("delta")).get("stop_reason") in (
                    "max_tokens",
                    "model_context_window_exceeded",
                )
            case "message_stop":
                self.complete = True
        # Also `ping` and what may be added later: a sign of life.
        return [TextPiece("")]

    def _start(self, index: int, block: dict[str, Any]) -> list[Piece]:
        kind = words(block.get("type"))
        self._blocks[index] = _Block(kind, words(block.get("id")), words(block.get("name")))
        return [TextPiece(words(block.get("text")) or words(block.get("thinking")), reasoning=kind == "thinking")]

    def _delta(self, index: int, delta: dict[str, Any]) -> list[Piece]:
        match delta.get("type"):
            case "text_delta":
                return [TextPiece(words(delta.get("text")))]
            case "thinking_delta":
                return [TextPiece(words(delta.get("thinking")), reasoning=True)]
            case "input_json_delta" if index in self._blocks:
                self._blocks[index].raw.append(words(delta.get("partial_json")))
        return [TextPiece("")]

    def _stop(self, index: int) -> list[Piece]:
        block = self._blocks.pop(index, None)
        if block is None or block.kind != "tool_use":
            return []
        args, error = arguments("".join(block.raw))
        return [CallPiece(ToolCall(block.call_id, block.name, args, error))]

    def _count(self, usage: Any) -> None:
        """Counts are cumulative; what an event leaves out stays as it was."""
        fields, so_far = objects(usage), self.usage
        self.usage = UsagePiece(
            input_tokens=count(fields.get("input_tokens", so_far.input_tokens)),
            output_tokens=count(fields.get("output_tokens", so_far.output_tokens)),
            cache_read_tokens=count(fields.get("cache_read_input_tokens", so_far.cache_read_tokens)),
            cache_write_tokens=count(fields.get("cache_creation_input_tokens", so_far.cache_write_tokens)),
        )


def _tools(specs: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = [
        {"name": spec.name, "description": spec.description, "input_schema": spec.parameters} for spec in specs
    ]
    tools[-1]["cache_control"] = CACHED
    return tools


def _cached(messages: Sequence[bytes]) -> list[bytes]:
    """Marks what the provider may keep up to: the end, and where the request before this one ended. With those on the
    system prompt and on the tools they are the four that the protocol allows."""
    marked, left = list(messages), CACHED_TURNS
    for place in range(len(marked) - 1, -1, -1):
        if marked[place].startswith(_USER):
            marked[place] = marked[place].removesuffix(b"}]}") + _MARK
            left -= 1
        if not left:
            break
    return marked


def _joins(before: Turn, turn: Turn) -> bool:
    """User and assistant speak by turns; results stand in the user's message."""
    return isinstance(before, AssistantTurn) == isinstance(turn, AssistantTurn)


def _message(turns: Sequence[Turn]) -> dict[str, Any]:
    role = "assistant" if isinstance(turns[0], AssistantTurn) else "user"
    return {"role": role, "content": [block for turn in turns for block in _blocks(turn)]}


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    if isinstance(turn, ToolResult):
        text = turn.text.strip() or "(nothing)"
        return [{"type": "tool_result", "tool_use_id": turn.call_id, "content": text, "is_error": not turn.ok}]
    # The protocol refuses blocks of white space alone.
    blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text.rstrip()}] if turn.text.strip() else []
    if isinstance(turn, AssistantTurn):
        blocks += [_call(call) for call in turn.calls]
    return blocks or [{"type": "text", "text": "(nothing)"}]


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.args}
