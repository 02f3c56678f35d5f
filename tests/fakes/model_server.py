"""A model provider on a real socket: OpenAI's chat completions and Anthropic's messages, played from a script.

    with ModelServer([Say("Looking.", calls=[("run_command", {"command": "ls"})]), Say("Done.")]) as server:
        OPENAI_BASE_URL=f"{server.url}/v1", ANTHROPIC_BASE_URL=server.url

Told to fail by `Say(fault=…)`; see FAULTS. Every request is kept in `server.requests`.
"""

import asyncio
import json
import re
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

STATUS_FAULTS = {"400": 400, "401": 401, "403": 403, "404": 404, "413": 413, "429": 429, "500": 500, "529": 529}
FAULTS = (
    *STATUS_FAULTS,
    "quota",  # 429 with OpenAI's insufficient_quota, 400 with Anthropic's credit balance text
    "context",  # 400: the prompt is too long
    "no_stream_options",  # 400 as long as the request asks for usage
    "cut",  # the connection is reset in mid-answer
    "end",  # the body ends in mid-answer, cleanly
    "garbage",  # a frame that is not JSON
    "utf8",  # bytes that are not UTF-8
    "no_done",  # everything but the closing marks
    "error_event",  # an error object as an event
    "html",  # 200 with a page
    "empty",  # 200 with nothing
    "silent",  # nothing after the first piece
)


@dataclass(frozen=True)
class Say:
    """One answer. `pieces` of the text: words unless given; `delay`: seconds between them, or what tells them;
    `first_delay` before."""

    text: str = ""
    calls: Sequence[tuple[str, dict[str, Any] | str]] = ()
    reasoning: str = ""
    pieces: Sequence[str] = ()
    delay: float | Callable[[], float] = 0.0
    first_delay: float = 0.0
    input_tokens: int = 100
    output_tokens: int = 20
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    fault: str = ""
    retry_after: str = ""
    # A refusal as some provider words it: status, body, headers. Or the error object of an `error_event`.
    refusal: tuple[int, Any, dict[str, str]] | None = None
    error: Any = None
    finish: str = ""
    usage: bool = True

    def words(self) -> list[str]:
        return list(self.pieces) or re.findall(r"\S+\s*|\s+", self.text)


Script = Sequence[Say] | Callable[[list[dict[str, Any]]], Say]


@dataclass(frozen=True)
class Request:
    """What a client has sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer:
    """A sequence is played answer by answer, then its last one again; a function answers each request's messages."""

    script: Script
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._position = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)
        self._socket = _bind()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._openai)
        app.router.add_post("/v1/messages", self._anthropic)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        self._ready.set()
        await self._done.wait()
        await runner.cleanup()

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        say = await self._next(request)
        if say.refusal:
            return web.json_response(say.refusal[1], status=say.refusal[0], headers=say.refusal[2])
        asked = bool(self.requests[-1].body.get("stream_options"))
        if refusal := _openai_refusal(say, asked):
            return refusal
        return await self._play(request, say, _openai_frames(say, asked and say.usage), [b"data: [DONE]\n\n"])

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        say = await self._next(request)
        if say.refusal:
            return web.json_response(say.refusal[1], status=say.refusal[0], headers=say.refusal[2])
        if refusal := _anthropic_refusal(say):
            return refusal
        frames = _anthropic_frames(say)
        return await self._play(request, say, frames[:-1], frames[-1:])

    async def _next(self, request: web.Request) -> Say:
        body = json.loads(await request.text())
        self.requests.append(Request(request.path, dict(request.headers), body))
        if callable(self.script):
            return self.script(body["messages"])
        say = self.script[min(self._position, len(self.script) - 1)]
        self._position += 1
        return say

    async def _play(self, request: web.Request, say: Say, frames: list[bytes], end: list[bytes]) -> web.StreamResponse:
        if say.fault == "html":
            return web.Response(text="<html><body>Welcome to the hotel</body></html>", content_type="text/html")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if say.fault == "empty":
            return response
        await asyncio.sleep(say.first_delay)
        middle = max(1, len(frames) // 2)
        for number, data in enumerate(frames):
            if number == middle and say.fault and not await self._fail(request, response, say):
                return response
            await response.write(data)
            if say.delay:
                await asyncio.sleep(say.delay() if callable(say.delay) else say.delay)
        for data in [] if say.fault == "no_done" else end:
            await response.write(data)
        return response

    async def _fail(self, request: web.Request, response: web.StreamResponse, say: Say) -> bool:
        """Whether the answer goes on after it."""
        fault = say.fault
        if fault == "cut":
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        elif fault == "garbage":
            await response.write(b"event: content_block_delta\ndata: {not json\n\n")
            return True
        elif fault == "utf8":
            await response.write(b'event: content_block_delta\ndata: {"text": "\xff\xfe"}\n\n')
            return True
        elif fault == "error_event":
            error = say.error or {"type": "overloaded_error", "message": "secret-detail overloaded"}
            whole = isinstance(error, dict) and error.get("object") == "error"
            await response.write(_sse(error if whole else {"type": "error", "error": error}, "error"))
        elif fault == "silent":
            await asyncio.sleep(30)
        return fault in ("no_done", "no_stream_options")


def _bind() -> socket.socket:
    """A port below those the system gives to outgoing connections."""
    for port in range(21000 + threading.get_native_id() % 4000, 32000):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise RuntimeError("no free port")


def _sse(value: dict[str, Any], name: str = "") -> bytes:
    prefix = f"event: {name}\n" if name else ""
    return f"{prefix}data: {json.dumps(value)}\n\n".encode()


def _refusal(status: int, error: dict[str, Any], say: Say) -> web.Response:
    headers = {"retry-after": say.retry_after} if say.retry_after else {}
    return web.json_response({"type": "error", "error": error}, status=status, headers=headers)


def _openai_refusal(say: Say, asks_for_usage: bool) -> web.Response | None:
    detail = "raw-provider-detail"
    if say.fault in STATUS_FAULTS:
        return _refusal(STATUS_FAULTS[say.fault], {"message": detail, "type": "some_error", "code": None}, say)
    if say.fault == "quota":
        return _refusal(429, {"message": detail, "type": "insufficient_quota", "code": "insufficient_quota"}, say)
    if say.fault == "context":
        return _refusal(400, {"message": detail, "code": "context_length_exceeded"}, say)
    if say.fault == "no_stream_options" and asks_for_usage:
        return _refusal(400, {"message": "Unrecognized request argument: stream_options"}, say)
    return None


def _anthropic_refusal(say: Say) -> web.Response | None:
    if say.fault in STATUS_FAULTS:
        return _refusal(STATUS_FAULTS[say.fault], {"type": "some_error", "message": "raw-provider-detail"}, say)
    if say.fault == "quota":
        error = {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}
        return _refusal(400, error, say)
    if say.fault == "context":
        error = {"type": "invalid_request_error", "message": "prompt is too long: 250000 tokens > 200000 maximum"}
        return _refusal(400, error, say)
    return None


def _halves(args: dict[str, Any] | str) -> list[str]:
    raw = args if isinstance(args, str) else json.dumps(args)
    return [raw[: len(raw) // 2], raw[len(raw) // 2 :]]


def _openai_frames(say: Say, usage: bool) -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": word} for word in re.findall(r"\S+\s*", say.reasoning)]
    deltas += [{"content": word} for word in say.words()]
    for index, (name, args) in enumerate(say.calls):
        head, tail = _halves(args)
        function = {"name": name, "arguments": head}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}
        )
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": tail}}]})
    frames = [_sse(chunk(delta)) for delta in deltas]
    if say.fault != "no_done":
        frames.append(_sse(chunk({}, say.finish or ("tool_calls" if say.calls else "stop"))))
    if usage:
        counts = {
            "prompt_tokens": say.input_tokens + say.cache_read_tokens,
            "completion_tokens": say.output_tokens,
            "total_tokens": say.input_tokens + say.output_tokens,
            "prompt_tokens_details": {"cached_tokens": say.cache_read_tokens},
        }
        frames.append(_sse({**chunk({}), "choices": [], "usage": counts}))
    return frames


def _anthropic_frames(say: Say) -> list[bytes]:
    usage = {
        "input_tokens": say.input_tokens,
        "output_tokens": 1,
        "cache_read_input_tokens": say.cache_read_tokens,
        "cache_creation_input_tokens": say.cache_write_tokens,
    }
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if say.reasoning:
        deltas = [{"type": "thinking_delta", "thinking": word} for word in re.findall(r"\S+\s*", say.reasoning)]
        blocks.append(({"type": "thinking", "thinking": ""}, deltas))
    if say.words():
        deltas = [{"type": "text_delta", "text": word} for word in say.words()]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for number, (name, args) in enumerate(say.calls):
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in _halves(args)]
        blocks.append(({"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}, deltas))
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    reason = {"length": "max_tokens"}.get(say.finish) or ("tool_use" if say.calls else "end_turn")
    events.append(
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": say.output_tokens}}
    )
    events.append({"type": "message_stop"})
    return [_sse(event, event["type"]) for event in events]
