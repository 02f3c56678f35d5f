"""At most so many wake-ups a second, nobody forgotten."""

import asyncio

from services.sessions.store.waking import LONGEST_SECONDS, WAKES_PER_SECOND, Waking


class Sleeper:
    def __init__(self) -> None:
        self.wake = asyncio.Event()


async def test_a_lone_watcher_is_woken_at_once() -> None:
    waking, sleeper = Waking(), Sleeper()
    waking.wake([sleeper])
    assert sleeper.wake.is_set()


async def test_what_comes_too_soon_comes_together_and_nobody_is_forgotten() -> None:
    waking, crowd, late = Waking(), [Sleeper() for _ in range(500)], Sleeper()
    waking.wake(crowd)
    assert all(sleeper.wake.is_set() for sleeper in crowd)
    for sleeper in crowd:
        sleeper.wake.clear()
    waking.wake(crowd)
    waking.wake([late])
    assert not any(sleeper.wake.is_set() for sleeper in (*crowd, late))
    async with asyncio.timeout(10):
        for sleeper in (*crowd, late):
            await sleeper.wake.wait()


async def test_a_crowd_waits_no_longer_than_a_person_notices() -> None:
    waking, crowd, late = Waking(), [Sleeper() for _ in range(int(WAKES_PER_SECOND) * 60)], Sleeper()
    loop = asyncio.get_running_loop()
    waking.wake(crowd)
    rung = loop.call_later(10 * LONGEST_SECONDS, late.wake.set)
    waking.wake([late])
    await late.wake.wait()
    assert rung.when() > loop.time(), "the crowd's share was not capped"
    rung.cancel()
