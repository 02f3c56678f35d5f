"""From the wish for a session to the model's being called (P5)."""

import time

from tests.benchmarks.ground import Ground, fresh_id
from tests.benchmarks.scripted_model import marker
from tests.benchmarks.table import Row, from_samples

TIMES, WARM_UP = 12, 2
# 15 ms over the bare call's 0.8 ms.
GOAL = 18.75


async def run(ground: Ground) -> list[Row]:
    created, followed, bare = [], [], []
    for _ in range(TIMES):
        bare.append(await _bare(ground))
        cid = fresh_id()
        began = time.time()
        session = await ground.person.create(marker("tokens", 1, cid))
        await ground.turn(session)
        created.append(await _called(ground, cid, began))
        cid = fresh_id()
        began = time.time()
        await ground.turn(session, marker("tokens", 1, cid))
        followed.append(await _called(ground, cid, began))
    taken = [sorted_out[WARM_UP:] for sorted_out in (created, followed, bare)]
    against = "call of the model"
    note = "a fresh sandbox each time; the goal is for one that is kept warm"
    return [
        from_samples("P5", "create → model called", taken[0], taken[2], "ms", against, GOAL, note),
        from_samples("P5", "message → model called, sandbox up", taken[1], taken[2], "ms", against, GOAL),
    ]


async def _called(ground: Ground, cid: str, began: float) -> float:
    return ((await ground.model.log(cid))[0]["at"] - began) * 1e3


async def _bare(ground: Ground) -> float:
    cid = fresh_id()
    body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": marker("tokens", 1, cid)}]}
    began = time.time()
    async with ground.model.http.post(f"{ground.model.url}/v1/chat/completions", json=body) as answer:
        await answer.read()
    return await _called(ground, cid, began)
