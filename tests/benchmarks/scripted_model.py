"""A model provider as a process of its own: OpenAI's streaming protocol, each token stamped with when it was sent.

The last marker in the conversation says what to play: `[[tokens=400 rate=50 cid=x]]` streams 400 tokens, 50 a second
(rate 0: at once); `[[steps=50 rate=0 cid=x]]` calls `run_command("true N")` 50 times, then says that it is done.
`GET /log?cid=x` answers when each request of x came and when its answer ended (seconds, the machine's clock).
Prints its port when it listens.
"""

import asyncio
import json
import random
import re
import time
from collections import defaultdict
from typing import Any

import uvloop
from aiohttp import web

MARKER = re.compile(r"\[\[(tokens|steps)=(\d+) rate=(\d+) cid=(\w+)\]\]")
# In the text itself, so that whoever receives it knows how old it is.
STAMP = re.compile(rb"<(\d+\.\d+)>")
_CHUNK = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":'
_logs: dict[str, list[dict[str, float]]] = defaultdict(list)


def marker(kind: str, number: int, cid: str, rate: int = 0) -> str:
    """What a message has to hold."""
    return f"[[{kind}={number} rate={rate} cid={cid}]]"


def _frame(delta: str, finish: str = "null") -> bytes:
    return f'data: {_CHUNK}[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}\n\n'.encode()


def _call(number: int) -> bytes:
    function = {"name": "run_command", "arguments": json.dumps({"command": f"true {number}"})}
    call = {"index": 0, "id": f"call_{number}", "type": "function", "function": function}
    return _frame(json.dumps({"tool_calls": [call]}))


def _ending(called: bool) -> bytes:
    usage = f'data: {_CHUNK}[],"usage":{{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}}}\n\n'
    return _frame("{}", '"tool_calls"' if called else '"stop"') + usage.encode() + b"data: [DONE]\n\n"


def _chosen(messages: list[dict[str, Any]]) -> tuple[str, int, int, str, int]:
    """Kind, number, rate and id of the last marker, and how often the model has answered since."""
    for place in range(len(messages) - 1, -1, -1):
        found = MARKER.search(json.dumps(messages[place]["content"])) if messages[place]["role"] == "user" else None
        if found:
            answered = sum(1 for message in messages[place:] if message["role"] == "assistant")
            return found[1], int(found[2]), int(found[3]), found[4], answered
    raise web.HTTPBadRequest(text="no marker")


async def _complete(request: web.Request) -> web.StreamResponse:
    came = time.time()
    kind, number, rate, cid, answered = _chosen(json.loads(await request.read())["messages"])
    entry = {"at": came}
    _logs[cid].append(entry)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    calls = kind == "steps" and answered < number
    if calls:
        await response.write(_call(answered))
    elif kind == "tokens":
        await _speak(response, number, rate)
    else:
        await response.write(_frame('{"content":"Done."}'))
    await response.write(_ending(calls))
    entry["last"] = time.time()
    return response


async def _speak(response: web.StreamResponse, number: int, rate: int) -> None:
    loop = asyncio.get_running_loop()
    # Streams that start together do not speak in step.
    begin = loop.time() + (random.random() / rate if rate else 0)
    for index in range(number):
        if rate:
            await asyncio.sleep(begin + index / rate - loop.time())
        await response.write(_frame(f'{{"content":"<{time.time():.6f}> "}}'))


async def _log(request: web.Request) -> web.Response:
    return web.json_response(_logs[request.query["cid"]])


async def _health(_: web.Request) -> web.Response:
    return web.json_response({})


async def main() -> None:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes(
        [web.post("/v1/chat/completions", _complete), web.get("/log", _log), web.get("/health", _health)],
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
