"""The bare chain of a token: the model's stream read raw, nothing in between.

The job: `model_url`, `streams`, `tokens`, `rate`. The result: `tokens`, their `p50` and `p99`, `cpu`; in seconds.
"""

import asyncio
import os
import time
from typing import Any

import aiohttp

from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.scripted_model import STAMP, marker
from tests.benchmarks.table import quantile


async def run(job: dict[str, Any]) -> dict[str, Any]:
    latencies: list[float] = []
    url = f"{job['model_url']}/v1/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(_read(http, url, marker("tokens", 1, "bare"), []) for _ in range(job["streams"])))
        before = cpu_seconds(os.getpid())
        say = marker("tokens", job["tokens"], "bare", job["rate"])
        await asyncio.gather(*(_read(http, url, say, latencies) for _ in range(job["streams"])))
        cpu = cpu_seconds(os.getpid()) - before
    return {"cpu": cpu} | summary(latencies)


def summary(latencies: list[float]) -> dict[str, Any]:
    """How many tokens came, and how old they were."""
    return {"tokens": len(latencies), "p50": quantile(latencies, 0.5), "p99": quantile(latencies, 0.99)}


async def _read(http: aiohttp.ClientSession, url: str, say: str, latencies: list[float]) -> None:
    body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": say}]}
    rest = b""
    async with http.post(url, json=body) as response:
        async for chunk in response.content.iter_any():
            now = time.time()
            lines = (rest + chunk).split(b"\n\n")
            rest = lines.pop()
            latencies += [now - float(sent) for line in lines for sent in STAMP.findall(line)]
