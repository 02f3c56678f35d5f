"""The peer: a bash session of SWE-ReX, where its package is installed. It runs on this machine without a container or a
network between, which is the best that it can do."""

import importlib.util
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.benchmarks.table import Row, from_samples

TIMES = 7
Way = Callable[[], Awaitable[object]]


async def rows(true: Way, flood: Way) -> list[Row]:
    """`true` and 10 MB of output, in turns; nothing where the package is not there."""
    if importlib.util.find_spec("swerex") is None:
        return []
    from swerex.runtime.abstract import BashAction, CreateBashSessionRequest
    from swerex.runtime.local import LocalRuntime

    runtime = LocalRuntime()
    await runtime.create_session(CreateBashSessionRequest())
    try:

        async def say(command: str) -> None:
            answer: Any = await runtime.run_in_session(BashAction(command=command, timeout=300, check="silent"))
            assert not answer.failure_reason, answer  # where the machine is busy it loses the exit code

        ten = "yes 0123456789 | head -c 10000000"
        return [
            await _row("command `true`", true, lambda: say("true"), TIMES, 1 / 20),
            await _row("10 MB of output", flood, lambda: say(ten), 1, 1 / 100),
        ]
    finally:
        await runtime.close()


async def _row(name: str, ours: Way, theirs: Way, times: int, goal: float) -> Row:
    mine: list[float] = []
    other: list[float] = []
    for _ in range(times):
        for way, took in ((ours, mine), (theirs, other)):
            began = time.perf_counter()
            await way()
            took.append((time.perf_counter() - began) * 1e3)
    return from_samples("P10", f"{name}, fresh bash", mine, other, "ms", "SWE-ReX session", goal)
