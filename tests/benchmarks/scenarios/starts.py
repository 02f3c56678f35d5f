"""Sessions that start in fresh containers: how long until the first token (P14), and what it does to others (P13)."""

import asyncio
import time

from tests.benchmarks.ground import Ground, fresh_id, ground
from tests.benchmarks.role import play
from tests.benchmarks.scenarios.tokens import ready_sessions
from tests.benchmarks.scripted_model import marker
from tests.benchmarks.table import Row, from_samples

TIMES, CALM, AT_ONCE = 7, 5, 10
TOKENS, RATE = 300, 20
SECOND, P13 = 1.4, 16.0


async def run() -> list[Row]:
    async with ground("docker", SANDBOX_POOL_SIZE="0") as standing:
        firsts = [await _first_token(standing) for _ in range(TIMES)]
        sessions = await ready_sessions(standing, CALM)
        calm = await _speaking(standing, sessions)
        beside, _ = await asyncio.gather(_speaking(standing, sessions), _ten(standing))
    against = "the goal"
    return [
        from_samples("P14", "create → first token, a fresh container", firsts, [SECOND], "s", against, 1.0),
        Row("P13", "token latency p99, five calm streams", calm, P13, "ms", against, 1.0),
        Row("P13", "  … while ten sessions start in containers", beside, P13, "ms", against, 1.0),
    ]


async def _first_token(standing: Ground) -> float:
    cid = fresh_id()
    began = time.time()
    session = await standing.person.create(marker("tokens", 1, cid))
    await standing.turn(session)
    first = (await standing.model.log(cid))[0]["last"]  # the one token of the answer
    return first - began


async def _speaking(standing: Ground, sessions: list[str]) -> float:
    """Milliseconds."""
    result = await play(
        "tokens", base_url=standing.product.base_url, rpc=standing.product.rpc["sessions"], token=standing.token,
        pids=standing.pids, sockets=[[session] for session in sessions], tokens=TOKENS, rate=RATE, cid=fresh_id(),
    )  # fmt: skip
    if result["tokens"] != len(sessions) * TOKENS:
        raise ValueError(f"{result['tokens']} of {len(sessions) * TOKENS} tokens came")
    return float(result["p99"]) * 1e3


async def _ten(standing: Ground) -> None:
    await asyncio.sleep(3.0)  # the streams are all speaking by then
    await asyncio.gather(*(standing.ready_session() for _ in range(AT_ONCE)))
