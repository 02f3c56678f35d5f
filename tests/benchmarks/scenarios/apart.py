"""Tokens where each service is a process of its own, beside the bare chain (P2)."""

from tests.benchmarks.ground import ground
from tests.benchmarks.scenarios.tokens import BARE, Side, bare_side, product_side, ready_sessions
from tests.benchmarks.table import Row, from_samples

SIZE, REPETITIONS = 50, 2


async def run() -> list[Row]:
    """The CPU is that of all the product's processes together."""
    own, bare = Side(), Side()
    async with ground("bubblewrap", apart=True) as standing:
        sessions = await ready_sessions(standing, SIZE)
        for _ in range(REPETITIONS):
            await bare_side(standing, SIZE, bare)
            await product_side(standing, [sessions], own)
    at = f"{SIZE} conversations in one page, services apart"
    return [
        from_samples("P2", f"CPU per token, {at}", own.cpu, bare.cpu, "µs", BARE, 5.0),
        from_samples("P2", "  … while all speak", own.busy_cpu, bare.cpu, "µs", BARE),
        from_samples("P2", f"token latency p99, {at}", own.p99, bare.p99, "ms", BARE),
    ]
