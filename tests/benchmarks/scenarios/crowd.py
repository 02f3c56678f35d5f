"""A hundred sessions at work while a thousand people watch one more of them (P4, P9).

Every socket has to see every token, or nothing is reported. The crowd and the hundred are clients of their own, so what
the crowd costs the hundred is seen as well.
"""

import asyncio
from typing import Any

from tests.benchmarks.ground import Ground, fresh_id
from tests.benchmarks.role import play
from tests.benchmarks.scenarios.tokens import ready_sessions
from tests.benchmarks.table import Row

WATCHERS, SESSIONS = 1000, 100
TOKENS, RATE = 200, 20
SHARED = 50
MOST_MILLISECONDS = 250.0


async def run(ground: Ground) -> list[Row]:
    sessions = await ready_sessions(ground, SESSIONS)
    popular = (await ready_sessions(ground, 1))[0]
    calm = await _hundred(ground, sessions)
    crowd, beside = await asyncio.gather(_crowd(ground, popular), _hundred(ground, sessions))
    deliveries = WATCHERS * TOKENS
    extra = max(beside["cpu"], crowd["cpu"]) - calm["cpu"]
    at = f"{SESSIONS} sessions at {RATE} tokens/s"
    limit, ms = "what a person bears", 1e3
    return [
        Row("P4", f"token latency p99, {at}", calm["p99"] * ms, MOST_MILLISECONDS, "ms", limit, 1.0),
        Row(
            "P4",
            f"  … beside {WATCHERS:,} watchers of one more",
            beside["p99"] * ms,
            MOST_MILLISECONDS,
            "ms",
            limit,
            1.0,
        ),
        Row(
            "P9",
            f"token latency p99, {WATCHERS:,} watchers of one",
            crowd["p99"] * ms,
            MOST_MILLISECONDS,
            "ms",
            limit,
            1.0,
        ),
        Row("P9", "CPU per token and watcher", extra / deliveries * 1e6, 8.0, "µs", "the goal", 1.0),
    ]


async def _hundred(ground: Ground, sessions: list[str]) -> dict[str, Any]:
    groups = [sessions[start : start + SHARED] for start in range(0, SESSIONS, SHARED)]
    return await _watched(ground, groups, sessions)


async def _crowd(ground: Ground, popular: str) -> dict[str, Any]:
    return await _watched(ground, [[popular]] * WATCHERS, [popular])


async def _watched(ground: Ground, sockets: list[list[str]], speakers: list[str]) -> dict[str, Any]:
    """Raises ValueError where a watcher has missed a token."""
    result = await play(
        "tokens", base_url=ground.product.base_url, rpc=ground.product.rpc["sessions"], token=ground.token,
        pids=ground.pids, sockets=sockets, speakers=speakers, tokens=TOKENS, rate=RATE, cid=fresh_id(),
    )  # fmt: skip
    expected = sum(map(len, sockets)) * TOKENS
    if result["tokens"] != expected:
        raise ValueError(f"{result['tokens']} of {expected} tokens came")
    return result
