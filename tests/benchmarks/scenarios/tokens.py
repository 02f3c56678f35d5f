"""Tokens through the whole chain beside the bare chain, and what a session holds in memory (P1, P3, P8).

Both sides take turns. The CPU is that of the product's process alone, over whole turns.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.ground import Ground, fresh_id
from tests.benchmarks.machine import resident_bytes
from tests.benchmarks.role import play
from tests.benchmarks.table import Row, from_samples, median

TOKENS, RATE = 400, 50
REPETITIONS = {10: 2, 50: 3, 100: 2}
# The gateway's limit is 64 watches on a socket.
SHARED = 50
MEGABYTE, KILOBYTE = 1e6, 1e3
BARE = "bare stream"


@dataclass
class Side:
    """Medians over a size's repetitions come from these."""

    cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    busy_cpu: list[float] = field(default_factory=list)
    resident: list[list[float]] = field(default_factory=list)

    def add(self, result: dict[str, Any], expected: int) -> None:
        """Takes one repetition; raises ValueError where tokens are missing: it would look cheap."""
        if result["tokens"] != expected:
            raise ValueError(f"{result['tokens']} of {expected} tokens came")
        self.cpu.append(result["cpu"] / expected * 1e6)
        self.p50.append(result["p50"] * 1e3)
        self.p99.append(result["p99"] * 1e3)
        if "busy_cpu" in result:
            self.busy_cpu.append(result["busy_cpu"] / result["busy_tokens"] * 1e6)
            self.resident.append(result["resident"])


async def run(ground: Ground) -> list[Row]:
    idle = resident_bytes(ground.pid)
    sessions: list[str] = []
    rows: list[Row] = []
    resting: dict[int, int] = {}
    for size, repetitions in REPETITIONS.items():
        sessions += await ready_sessions(ground, size - len(sessions))
        resting[size] = resident_bytes(ground.pid)
        own, shared, bare = Side(), Side(), Side()
        for _ in range(repetitions):
            await bare_side(ground, size, bare)
            if size < 100:
                await product_side(ground, [[session] for session in sessions], own)
            if size > 10:
                groups = [sessions[start : start + SHARED] for start in range(0, size, SHARED)]
                await product_side(ground, groups, shared)
        rows += _rows(size, own, shared, bare)
        if size == 50:
            rows += _memory_rows(idle, (resting[50] - resting[10]) / 40, own)
    return rows


async def ready_sessions(ground: Ground, number: int) -> list[str]:
    """Ids of new sessions; a few at a time, as people would come."""
    made: list[str] = []
    for start in range(0, number, 5):
        some = await asyncio.gather(*(ground.ready_session() for _ in range(min(5, number - start))))
        made += [session.session_id for session in some]
    return made


async def bare_side(ground: Ground, size: int, side: Side) -> None:
    side.add(
        await play("bare_tokens", model_url=ground.model.url, streams=size, tokens=TOKENS, rate=RATE), size * TOKENS
    )


async def product_side(ground: Ground, sockets: list[list[str]], side: Side) -> None:
    result = await play(
        "tokens", base_url=ground.product.base_url, rpc=ground.product.rpc["sessions"], token=ground.token,
        pids=ground.pids, sockets=sockets, tokens=TOKENS, rate=RATE, cid=fresh_id(),
    )  # fmt: skip
    side.add(result, sum(map(len, sockets)) * TOKENS)


def _rows(size: int, own: Side, shared: Side, bare: Side) -> Iterable[Row]:
    """Goals: P1 is 4 × bare; P3's 30 ms over the bare chain's 2.9, and 2 ms over its 0.15 for ten conversations."""
    at = f"{size} conversations"
    if own.cpu:
        cpu_goal = 4.0 if size == 50 else None
        p50_goal = 13.0 if size == 10 else None
        yield from_samples("P1", f"CPU per token, {at}", own.cpu, bare.cpu, "µs", BARE, cpu_goal)
        yield from_samples("P1", "  … while all speak", own.busy_cpu, bare.cpu, "µs", BARE)
        yield from_samples("P3", f"token latency p50, {at}", own.p50, bare.p50, "ms", BARE, p50_goal)
        yield from_samples("P3", f"token latency p99, {at}", own.p99, bare.p99, "ms", BARE)
    if shared.cpu:
        p50_goal, p99_goal = (31.0, 10.3) if size == 100 else (None, None)
        at += ", in pages with 50" if size > SHARED else ", all in one page"
        yield from_samples("P1", f"CPU per token, {at}", shared.cpu, bare.cpu, "µs", BARE)
        yield from_samples("P3", f"token latency p50, {at}", shared.p50, bare.p50, "ms", BARE, p50_goal)
        yield from_samples("P3", f"token latency p99, {at}", shared.p99, bare.p99, "ms", BARE, p99_goal)


def _memory_rows(idle: float, resting: float, own: Side) -> Iterable[Row]:
    """Bytes are the same on every machine, so the goals themselves are the reference."""
    running = median(middle - before for before, middle in own.resident) / 50
    yield Row("P8", "memory, idle process", idle / MEGABYTE, 90, "MB", "the goal", 1.0)
    note = "the goal is that nothing is held; with its sandbox up, and with what fifty sessions leave behind in caches"
    yield Row("P8", "memory per idle session", resting / KILOBYTE, 150, "kB", "a running one's goal", 0.0, note)
    yield Row("P8", "memory per running session, on top", running / KILOBYTE, 150, "kB", "the goal", 1.0)
