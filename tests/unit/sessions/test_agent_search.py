"""search_files: what the model asks for, what it reads, and what a replay makes of it."""

from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import ToolCallCompleted

from services.sessions.agent.arguments import BadArgument
from services.sessions.agent.loop import run_turn
from services.sessions.agent.tool_search import MOST_RESULTS, SHOWN_LENGTH, sought_of, told
from services.sessions.agent.tools import title
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import Found, FoundLine, Outcome, SearchEnd, Sought
from services.sessions.replay.found import found_again
from tests.fakes.ports import Crash, Place, World
from tests.fakes.scripted_model import said

FINISH = ("finish", {"summary": "Done."})
SEARCH = ("search_files", {"query": "tea"})
FILES = {"a.py": "tea\ncoffee\nblack tea\n", "sub/b.txt": "no\ntea for two\n"}


def results(world: World) -> list[ToolCallCompleted]:
    return list(world.log.of("tool_call_completed"))


async def test_files_with_their_lines_numbered_as_view_file_numbers_them() -> None:
    in_one = ("search_files", {"query": "tea", "path": "sub/b.txt"})
    few = ("search_files", {"query": "tea", "max_results": 1})
    none = ("search_files", {"query": "cocoa"})
    world = World([said("", SEARCH, in_one, few, none), said("", FINISH)], Place(files=dict(FILES)))
    assert await run_turn(await world.journal()) is Outcome.COMPLETED
    assert [result.result_text for result in results(world)[:4]] == [
        "a.py\n     1\ttea\n     3\tblack tea\nsub/b.txt\n     2\ttea for two\n[3 lines; 2 files searched]",
        "sub/b.txt\n     2\ttea for two\n[1 line; 1 file searched]",
        "a.py\n     1\ttea\n[the first 1 line; there are more: narrow the search]",
        "[nothing found; 2 files searched]",
    ]
    assert all(result.ok for result in results(world))
    assert not world.log.of("file_edited")


async def test_a_search_that_a_crash_or_an_absence_cut_is_made_again() -> None:
    for crash_at in range(1, 40):
        world = World([said("", SEARCH), said("", FINISH)], Place(files=dict(FILES)))
        journal = await world.journal()
        world.log.crash_at, world.log.after = world.log.appends + crash_at, True
        with pytest.raises(Crash):
            await run_turn(journal)
        if world.log.kinds()[-1] == "usage":  # the call is stored, its result is not
            break
    world.log.crash_at = 0
    journal = await world.journal()
    world.place.away = 2
    assert await run_turn(journal) is Outcome.COMPLETED
    assert world.place.away == 0
    assert [result.ok for result in results(world)] == [True, True]
    assert world.log.kinds().count("tool_call_started") == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "`query` is missing"),
        ({"names": True}, "`query` is missing"),
        ({"query": "a\nb"}, "no newline"),
        ({"query": "x" * 1001}, "at most 1000 characters"),
        ({"query": "x", "regex": "perhaps"}, "`regex` must be true or false"),
        ({"query": "x", "globs": [1]}, "`globs` must be a list of texts"),
        ({"query": "x", "globs": [""]}, "`globs` must be a list of texts"),
        ({"query": "x", "globs": ["*"] * 21}, "at most 20 texts"),
        ({"query": "x", "max_results": "many"}, "whole number"),
    ],
)
def test_arguments_that_are_none(args: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        sought_of(args, "")


def test_arguments_as_models_give_them() -> None:
    assert sought_of({"names": True, "globs": "*.py"}, "p") == Sought(
        ".", "p", names=True, regex=True, globs=("*.py",), limit=100, time_ms=15_000
    )
    sought = sought_of({"query": "x", "regex": "True", "globs": None, "hidden": False, "max_results": 10**6}, "")
    assert (sought.regex, sought.globs, sought.hidden, sought.limit) == (True, (), False, MOST_RESULTS)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"query": "tea\ntime", "path": "src"}, "Search for tea"),
        ({"query": "tea", "path": "src"}, "Search for tea in src"),
        ({"names": True, "globs": ["*.py", "!b"]}, "Find *.py, !b"),
        ({"names": True, "globs": 7}, "Find 7"),
        ({}, "Search for files"),
    ],
)
def test_a_line_for_people(args: dict[str, Any], words: str) -> None:
    assert title("search_files", args) == words


MANY = Found(tuple(FoundLine("w/a", n, "x" * 99) for n in range(1, 500)), SearchEnd.COMPLETE, 1)
LONG = Found((FoundLine("w/a", 1, "x" * 300),), SearchEnd.TIME)
FORGED = Found((FoundLine("w/a\n     1\tb", 7, "c"),), SearchEnd.COMPLETE, 1, 2)
ELSEWHERE = Found((FoundLine("other/a", 1, ""), FoundLine("w/   12 x", 2, "\ty\tz")), SearchEnd.RESULTS)


@pytest.mark.parametrize("found", [MANY, LONG, FORGED, ELSEWHERE], ids=["many", "long", "forged", "elsewhere"])
@pytest.mark.parametrize("workdir", ["", "w"])
def test_what_was_shown_shows_the_same_in_a_replay(found: Found, workdir: str) -> None:
    text = told(found, False, workdir)
    done = ToolCallCompleted(ok=True, result_text=text)
    done.result.update(
        {"matches": len(found.lines), "searched": found.files, "skipped": found.skipped, "end": found.end.value}
    )
    assert told(found_again(done, False, workdir), False, workdir) == text


def test_what_is_shown_is_bounded_and_says_so() -> None:
    shown = told(MANY, False, "w")
    assert len(shown) < SHOWN_LENGTH + 200
    assert shown.endswith("lines; there are more: narrow the search]")
    assert told(LONG, False, "w").split("\n")[1:] == [
        f"     1\t{'x' * 300} […]",
        "[1 line; the search ran out of time: narrow it with path or globs]",
    ]


def test_a_name_cannot_look_like_a_line() -> None:
    assert told(FORGED, False, "w").split("\n") == [
        "a\N{REPLACEMENT CHARACTER}     1\N{REPLACEMENT CHARACTER}b",
        "     7\tc",
        "[1 line; 1 file searched; 2 left out: binary, too large or not to be opened]",
    ]
    assert told(ELSEWHERE, False, "w").split("\n")[0] == "/workspace/other/a"


def test_names() -> None:
    found = Found((FoundLine("w/a"), FoundLine("w/b/c"), FoundLine("w")), SearchEnd.COMPLETE, 9)
    text = told(found, True, "w")
    assert text == "a\nb/c\n/workspace/w\n[3 paths; 9 paths searched]"
    done = ToolCallCompleted(ok=True, result_text=text)
    done.result.update({"matches": 3, "searched": 9, "skipped": 0, "end": "COMPLETE"})
    assert found_again(done, True, "w") == found


async def test_a_place_without_a_repository_is_searched_from_its_root() -> None:
    asked: list[Sought] = []

    class Empty(Place):
        async def search(self, record: SessionRecord, sought: Sought) -> Found:
            asked.append(sought)
            return Found((), SearchEnd.COMPLETE)

    world = World(
        [said("", SEARCH, ("search_files", {"query": "x", "path": "/workspace/z"})), said("", FINISH)], Empty()
    )
    journal = await world.journal()
    journal.workdir = ""
    assert await run_turn(journal) is Outcome.COMPLETED
    assert [sought.path for sought in asked] == ["", "/workspace/z"]
