"""The agent's search_files in a real sandbox, from the model's call to what the model reads."""

from dataclasses import replace
from typing import Any

import pytest

from services.sessions.agent.loop import run_turn
from services.sessions.backends.sandbox import SandboxWorkspace
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import Found, Outcome, Sought
from tests.contract.launchers.conftest import KEY, OWNER, Bench
from tests.fakes.ports import Place, World
from tests.fakes.scripted_model import said

pytestmark = pytest.mark.asyncio(loop_scope="module")
FINISH = ("finish", {"summary": "Done."})
MAKE = (
    "mkdir -p teatime/src teatime/.github teatime/node_modules other; cd teatime; "
    "printf 'def tea():\\n    pass\\n' >src/a.py; echo 'tea()' >src/b.py; echo 'Tea' >README.md; "
    "echo tea >.github/ci.yml; echo tea >node_modules/x; printf 'tea\\0' >bin; echo tea >../other/c.txt"
)


class Searched(Place):
    """Searches in a sandbox that is one; the rest is played."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._real = SandboxWorkspace(bench.client._channel, KEY)
        self._sandbox_id = bench.sandbox_id

    async def search(self, record: SessionRecord, sought: Sought) -> Found:
        return await self._real.search(replace(record, sandbox_id=self._sandbox_id, owner_id=OWNER), sought)


async def answers(bench: Bench, *calls: dict[str, Any]) -> list[tuple[bool, str]]:
    world = World([said("", *(("search_files", call) for call in calls)), said("", FINISH)], Searched(bench))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    results = world.log.of("tool_call_completed")[: len(calls)]
    return [(result.ok, result.result_text) for result in results]


async def test_what_the_model_asks_and_reads(shared: Bench) -> None:
    await shared.run(MAKE)
    found = await answers(
        shared,
        {"query": "tea"},
        {"query": "^TEA$", "regex": True, "ignore_case": True, "hidden": True},
        {"query": "tea", "path": "src/b.py"},
        {"names": True, "globs": ["*.py"]},
        {"query": "tea", "path": "/workspace/other"},
    )
    left_out = "1 left out: binary, too large or not to be opened"
    assert found == [
        (True, f"src/a.py\n     1\tdef tea():\nsrc/b.py\n     1\ttea()\n[2 lines; 3 files searched; {left_out}]"),
        (True, f".github/ci.yml\n     1\ttea\nREADME.md\n     1\tTea\n[2 lines; 4 files searched; {left_out}]"),
        (True, "src/b.py\n     1\ttea()\n[1 line; 1 file searched]"),
        (True, "src/a.py\nsrc/b.py\n[2 paths; 2 paths searched]"),
        (True, "/workspace/other/c.txt\n     1\ttea\n[1 line; 1 file searched]"),
    ]


async def test_what_cannot_be_searched_is_told(shared: Bench) -> None:
    await shared.run(MAKE)
    pattern, missing, outside = await answers(
        shared, {"query": "(", "regex": True}, {"query": "x", "path": "none"}, {"query": "x", "path": "/etc"}
    )
    assert pattern[0] is missing[0] is outside[0] is False
    assert pattern[1].startswith("That is no pattern: ")
    assert "There is no file 'teatime/none'." in missing[1]
    assert "is not inside the workspace" in outside[1]
