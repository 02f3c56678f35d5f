"""The bare chain of a step: a raw model call, `true` in a bash behind a pipe, two rows stored (WAL, no fsync each).

The job: `model_url`, `steps`, `cid`, `database` (a file to make). The result: `cpu` (seconds).
"""

import asyncio
import json
import os
import sqlite3
from typing import Any

import aiohttp

from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.scripted_model import marker


async def run(job: dict[str, Any]) -> dict[str, Any]:
    database = sqlite3.connect(job["database"], isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "CREATE TABLE event (data BLOB)"):
        database.execute(statement)
    bash = await asyncio.create_subprocess_exec(
        "bash", "--norc", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    messages: list[dict[str, Any]] = [{"role": "user", "content": marker("steps", job["steps"], job["cid"])}]
    async with aiohttp.ClientSession() as http:
        before = cpu_seconds(os.getpid())
        while await _step(http, job["model_url"], bash, database, messages):
            pass
        cpu = cpu_seconds(os.getpid()) - before
    bash.terminate()
    await bash.wait()
    return {"cpu": cpu}


async def _step(
    http: aiohttp.ClientSession,
    url: str,
    bash: asyncio.subprocess.Process,
    database: sqlite3.Connection,
    messages: list[dict[str, Any]],
) -> bool:
    """Whether there is another one."""
    assert bash.stdin is not None
    assert bash.stdout is not None
    body = {"model": "bench", "stream": True, "messages": messages}
    async with http.post(f"{url}/v1/chat/completions", json=body) as response:
        answer = await response.read()
    calls = [json.loads(line[6:])["choices"][0]["delta"] for line in answer.split(b"\n\n") if b'tool_calls":' in line]
    if not calls:
        return False
    call = calls[0]["tool_calls"][0]
    messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    database.execute("INSERT INTO event VALUES (?)", (json.dumps(messages[-1]),))
    command = json.loads(call["function"]["arguments"])["command"]
    bash.stdin.write(f"{command}; echo $?\n".encode())
    code = (await bash.stdout.readline()).decode()
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": f"Exit code {code}[no output]"})
    database.execute("INSERT INTO event VALUES (?)", (json.dumps(messages[-1]),))
    return True
