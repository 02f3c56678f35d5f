"""Who starts now and who waits: limits, turns, places in line, and those who leave it."""

import asyncio

import pytest

from services.sandbox.backends.admission import Admission
from services.sandbox.domain.errors import SandboxUnavailable, Stopping


class Line:
    """An admission and those who have come to it, in the order in which they were let in."""

    def __init__(self, at_once: int = 1, limit: int = 0) -> None:
        self.there: set[str] = set()
        self.told: list[str] = []
        self.admission = Admission(at_once, limit, lambda: self.there, lambda _, sandbox: self.told.append(sandbox))
        self.entered: list[str] = []

    async def come(self, owner: str, sandbox: str) -> asyncio.Task[None]:
        async def enter() -> None:
            await self.admission.enter(owner, sandbox)
            self.entered.append(sandbox)

        task = asyncio.create_task(enter())
        await asyncio.sleep(0)
        return task

    async def release(self, sandbox: str) -> None:
        self.admission.release(sandbox)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_so_many_at_once_and_the_next_when_one_is_done() -> None:
    line = Line(at_once=2)
    for sandbox in ("a", "b", "c", "d"):
        await line.come("ann", sandbox)
    assert line.entered == ["a", "b"]
    assert [line.admission.position(sandbox) for sandbox in ("a", "b", "c", "d")] == [0, 0, 1, 2]
    await line.release("b")
    assert line.entered == ["a", "b", "c"]
    assert (line.admission.starting, line.admission.waiting, line.admission.position("d")) == (2, 1, 1)


async def test_users_take_turns() -> None:
    line = Line()
    for owner, sandbox in (("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"), ("cid", "c1"), ("bob", "b2")):
        await line.come(owner, sandbox)
    expected = ["a2", "b1", "c1", "a3", "b2"]
    assert sorted(expected, key=line.admission.position) == expected
    for sandbox in ("a1", "a2", "b1", "c1", "a3"):
        await line.release(sandbox)
    assert line.entered == ["a1", *expected]


async def test_at_the_limit_one_waits_until_another_is_gone() -> None:
    line = Line(at_once=5, limit=2)
    line.there = {"x"}
    await line.come("ann", "a")
    await line.come("ann", "b")
    line.there.add("a")
    await line.release("a")
    assert line.entered == ["a"]
    line.there.remove("x")
    line.admission.look()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert line.entered == ["a", "b"]


async def test_who_goes_away_leaves_the_line_and_the_others_move_up() -> None:
    line = Line()
    await line.come("ann", "a")
    leaving = await line.come("ann", "b")
    await line.come("ann", "c")
    assert line.admission.position("c") == 2
    line.told.clear()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert line.admission.position("c") == 1
    assert line.told == ["c"]
    await line.release("a")
    assert line.entered == ["a", "c"]


async def test_who_goes_away_just_when_let_in_gives_the_place_back() -> None:
    line = Line()
    await line.come("ann", "a")
    leaving = await line.come("ann", "b")
    await line.come("ann", "c")
    line.admission.release("a")
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert line.entered == ["a", "c"]


async def test_one_that_is_taken_down_waits_no_more() -> None:
    line = Line()
    await line.come("ann", "a")
    waiting = await line.come("ann", "b")
    line.admission.dismiss("b")
    with pytest.raises(SandboxUnavailable):
        await waiting
    assert line.admission.waiting == 0


async def test_a_service_that_stops_sends_everybody_away_and_lets_nobody_in() -> None:
    line = Line()
    await line.come("ann", "a")
    waiting = [await line.come(owner, owner) for owner in ("bob", "cid")]
    line.admission.close()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in ended] == [Stopping, Stopping]
    assert line.entered == ["a"]


async def test_calm_is_when_nothing_starts_and_nobody_waits() -> None:
    line = Line()
    await line.admission.calm()
    await line.come("ann", "a")
    calm = asyncio.create_task(line.admission.calm())
    await line.come("ann", "b")
    await line.release("a")
    assert not calm.done()
    await line.release("b")
    await calm
