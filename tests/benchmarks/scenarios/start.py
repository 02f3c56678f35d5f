"""From the command line to an answer: the product beside the barest server, Python with aiohttp (P11)."""

import asyncio
import contextlib
import time

import aiohttp

from tests.benchmarks.ground import new_product, scripted_model
from tests.benchmarks.table import Row, from_samples
from tests.grounds.product import Product

TIMES = 4
# 1.5 s over the bare server's 0.2 s.
GOAL = 7.5
_LOOK_EVERY = 0.005


async def run() -> list[Row]:
    first, again, bare = [], [], []
    for _ in range(TIMES):
        bare.append(await _bare())
        async with new_product() as product:
            first.append(await _started(product))
            await asyncio.to_thread(product.stop)
            again.append(await _started(product))
    against = "bare server"
    return [
        from_samples("P11", "start → ready, data there", again, bare, "ms", against, GOAL),
        from_samples("P11", "start → ready, empty data folder", first, bare, "ms", against),
    ]


async def _bare() -> float:
    began = time.perf_counter()
    async with scripted_model() as model, model.http.get(f"{model.url}/health"):
        return (time.perf_counter() - began) * 1e3


async def _started(product: Product) -> float:
    """Milliseconds; asked more often than the product's own helper asks."""
    began = time.perf_counter()
    starting = asyncio.create_task(asyncio.to_thread(product.start))
    async with aiohttp.ClientSession() as http:
        # Another process gives no event to wait for.
        while not starting.done() and not await _answers(http, product.base_url):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY)
    took = (time.perf_counter() - began) * 1e3
    await starting
    return took


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with http.get(f"{url}/health") as answer:
            return answer.status == 200
    return False
