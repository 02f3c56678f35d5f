"""Who waits for a sandbox and who comes later take turns, also when the one before has ended it."""

import asyncio

from services.sandbox.backends.turns import Turns


async def test_nobody_is_in_at_the_same_time_and_nothing_is_kept() -> None:
    turns = Turns()
    inside, most, order = 0, 0, []

    async def take(number: int) -> None:
        nonlocal inside, most
        async with turns.of("sbx_1"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            order.append(number)
            inside -= 1

    first = [asyncio.create_task(take(number)) for number in range(3)]
    while not order:  # noqa: ASYNC110
        await asyncio.sleep(0)
    later = [asyncio.create_task(take(number)) for number in range(3, 6)]  # the first is out, others wait still
    await asyncio.gather(*first, *later)
    assert (most, order) == (1, [0, 1, 2, 3, 4, 5])
    assert turns._turns == {}


async def test_who_is_cancelled_while_it_waits_leaves_nothing() -> None:
    turns = Turns()
    async with turns.of("sbx_1"):
        waiting = asyncio.create_task(turns.of("sbx_1").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), turns.of("sbx_2"):
            pass
    assert turns._turns == {}
