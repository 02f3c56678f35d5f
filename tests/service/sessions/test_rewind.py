"""GetSessionDiff, GetSessionPatch, RewindSession on a real log, with a sandbox in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import SOURCE_USER, DiffSnapshot, Event, FileEdited

from services.sessions.domain.conversation import ModelRequest, ToolResult, UserTurn
from services.sessions.domain.errors import FilesGone, SandboxAway, SessionAtWork, SessionNotFound, StepNotFound
from services.sessions.domain.models import Lease, SessionRecord, State
from services.sessions.ports import Ports
from services.sessions.usecases.get_session_diff import get_session_diff
from services.sessions.usecases.get_session_patch import get_session_patch
from services.sessions.usecases.rewind_session import RewindOrder, rewind_session
from services.sessions.usecases.send_message import send_message
from tests.fakes.ports import Ran
from tests.fakes.scripted_model import said
from tests.service.sessions.owners import ME, Stage, is_whole, memory, stage

STEPS = {"one": {"a.txt": "1\n"}, "two": {"a.txt": "1\n2\n", "b.txt": "b\n"}, "three": {"README.md": "bye\n"}}


def works(request: ModelRequest) -> list[Any]:
    """Each step once, then it says what it has read last."""
    done = sum(isinstance(turn, ToolResult) for turn in request.turns)
    if done < len(STEPS):
        return list(said("", ("run_command", {"command": list(STEPS)[done]})))
    read = [turn.text for turn in request.turns if isinstance(turn, UserTurn)]
    return list(said("", ("finish", {"summary": read[-2] if len(read) > 1 else "done"})))


def idle(row: SessionRecord) -> bool:
    return not row.turn_open and not row.wanted and row.state is State.IDLE


@dataclass
class Finished:
    """A session that has had its turn; its owner goes on looking for work."""

    stage: Stage
    ports: Ports

    async def events(self) -> list[Event]:
        return await self.stage.events(self.ports)

    async def edits(self) -> list[Event]:
        return [event for event in await self.events() if event.HasField("file_edited")]

    async def rewind(self, key: str = "k", **to: Any) -> Event:
        return await rewind_session(self.ports, ME, self.stage.session_id, RewindOrder(key, **to))

    @property
    def files(self) -> dict[str, str]:
        return self.stage.place.files


@pytest.fixture
async def finished() -> AsyncIterator[Finished]:
    with memory() as folder:
        played = stage(f"sqlite:///{Path(folder)}/log.db", works)
        played.place.commands = lambda command: Ran(b"", writes=STEPS[command])
        played.place.sandbox = replace(played.place.sandbox, created=False)  # it runs on between the turns
        async with played.person() as person:
            await played.create(person)
            owner = played.owner()
            await owner.start()
            await played.until(person, idle)
            yield Finished(played, person)
            await owner.end()


async def test_every_step_tells_what_the_session_has_changed_so_far(finished: Finished) -> None:
    found = [event.diff_snapshot for event in await finished.events() if event.HasField("diff_snapshot")]
    assert [[(file.path, file.added, file.removed) for file in each.files] for each in found] == [
        [("a.txt", 1, 0)],
        [("a.txt", 2, 0), ("b.txt", 1, 0)],
        [("README.md", 1, 1), ("a.txt", 2, 0), ("b.txt", 1, 0)],
    ]
    assert [(each.added, each.removed, each.total_files) for each in found] == [(1, 0, 1), (3, 0, 2), (4, 1, 3)]
    assert {each.base_commit for each in found} == {"c" * 40}
    edits = [event.file_edited for event in await finished.edits()]
    assert [each.tree for each in found] == list(dict.fromkeys(edit.tree_after for edit in edits))


async def test_the_whole_and_a_step_page_by_page(finished: Finished) -> None:
    session = finished.stage.session_id
    first = await get_session_diff(finished.ports, ME, session, 0, 0, 2, counts_only=False)
    second = await get_session_diff(finished.ports, ME, session, 0, first.following, 2, counts_only=False)
    assert [file.path for file in (*first.files, *second.files)] == ["README.md", "a.txt", "b.txt"]
    assert (first.totals.files, first.totals.added, first.totals.removed) == (3, 4, 1)
    assert (first.following, second.following, second.totals.files) == (2, 0, 0)
    step = (await finished.edits())[1]
    found = await get_session_diff(finished.ports, ME, session, step.seq, 0, 50, counts_only=False)
    assert [(file.path, file.added) for file in found.files] == [("a.txt", 1), ("b.txt", 1)]
    one = [part async for part in get_session_patch(finished.ports, ME, session, step.seq, one_file=True)]
    assert b"".join(one).startswith(b"--- a/a.txt\n+++ b/a.txt\n")
    assert b"b.txt" not in b"".join(one)


async def test_the_files_of_a_step_are_put_back_and_the_log_tells_it(finished: Finished) -> None:
    edits = await finished.edits()
    before = len(await finished.events())
    done = await finished.rewind(seq=edits[0].seq)
    assert finished.files == {"README.md": "hello\n", "a.txt": "1\n"}
    is_whole(events := await finished.events())
    new = events[before:]
    assert [event.WhichOneof("payload") for event in new] == [
        "checkpoint_created",
        *["file_edited"] * 3,
        "file_tree_changed",
        "checkpoint_created",
        "diff_snapshot",
    ]
    assert {event.source for event in new} == {SOURCE_USER}
    assert [(e.file_edited.path, e.file_edited.via) for e in new if e.HasField("file_edited")] == [
        (name, FileEdited.VIA_REWIND) for name in ("README.md", "a.txt", "b.txt")
    ]
    assert list(new[4].file_tree_changed.removed) == ["b.txt"]
    assert (done.seq, done.checkpoint_created.files) == (new[5].seq, 3)
    assert done.checkpoint_created.rewound_to_seq == edits[0].seq
    whole = new[6].diff_snapshot
    assert list(whole.files) == [DiffSnapshot.File(path="a.txt", added=1, kind=FileEdited.KIND_ADDED)]
    # And back again, by the checkpoint of how it was.
    await finished.rewind("undo", checkpoint_id="before-k")
    assert finished.files == {"README.md": "bye\n", "a.txt": "1\n2\n", "b.txt": "b\n"}
    await finished.rewind("again", checkpoint_id="rewind-k")
    await finished.rewind("begin", checkpoint_id="base")
    assert finished.files == {"README.md": "hello\n"}


async def test_a_point_between_two_steps_is_the_step_before(finished: Finished) -> None:
    events, edits = await finished.events(), await finished.edits()
    asked = next(e for e in events if e.seq > edits[2].seq and e.HasField("tool_call_started"))
    await finished.rewind(seq=asked.seq)
    assert finished.files == {"README.md": "hello\n", "a.txt": "1\n2\n", "b.txt": "b\n"}


async def test_the_same_key_rewinds_once(finished: Finished) -> None:
    first_edit = (await finished.edits())[0]
    first = await finished.rewind(seq=first_edit.seq)
    finished.files["a.txt"] = "mine\n"
    count = len(await finished.events())
    assert await finished.rewind(seq=first_edit.seq) == first
    assert await finished.rewind(checkpoint_id="base") == first
    assert (finished.files["a.txt"], len(await finished.events())) == ("mine\n", count)


async def test_the_model_is_told_at_its_next_call(finished: Finished) -> None:
    await finished.rewind(seq=(await finished.edits())[0].seq)
    await send_message(finished.ports, ME, finished.stage.session_id, "go on", "m1")
    events = await finished.stage.until(
        finished.ports, lambda row: idle(row) and len(finished.stage.model.requests) > len(STEPS) + 1
    )
    told = [event.turn_completed.summary for event in events if event.HasField("turn_completed")][-1]
    assert told.startswith("[Lucid] The person has put the files of the workspace back")
    assert "README.md, a.txt, b.txt" in told
    assert "read them again before you edit" in told


async def test_it_is_refused_while_the_agent_works_or_is_about_to(finished: Finished) -> None:
    seq = (await finished.edits())[0].seq
    hold, at_work = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        at_work.set()
        await hold.wait()

    finished.stage.place.during = wait
    finished.stage.model.script = lambda request: list(
        said("", ("run_command", {"command": "one"}))
        if isinstance(request.turns[-1], UserTurn)
        else said("", ("finish", {"summary": "done"}))
    )
    await send_message(finished.ports, ME, finished.stage.session_id, "more", "m1")
    await asyncio.wait_for(at_work.wait(), 20)
    files = dict(finished.files)
    with pytest.raises(SessionAtWork):
        await finished.rewind(seq=seq)
    assert finished.files == files
    hold.set()
    await finished.stage.until(finished.ports, idle)
    await finished.rewind(seq=seq)


async def test_while_it_runs_nobody_else_owns_the_session_and_an_old_owner_is_fenced(finished: Finished) -> None:
    store, session = finished.ports.store, finished.stage.session_id
    seq = (await finished.edits())[0].seq
    old = await store.get(session)
    held, go_on = asyncio.Event(), asyncio.Event()
    restore = finished.stage.place.restore

    async def slowly(*args: Any) -> Any:
        held.set()
        await go_on.wait()
        return await restore(*args)

    finished.stage.place.restore = slowly  # type: ignore[method-assign]
    rewinding = asyncio.create_task(finished.rewind(seq=seq))
    await asyncio.wait_for(held.wait(), 20)
    await send_message(finished.ports, ME, session, "a message meanwhile", "m1")
    assert await store.take("another", session) is None
    assert not await store.claim("another", 5)
    with pytest.raises(Exception, match="taken this session over"):
        await store.apply(session, lambda _: pytest.fail("let in"), Lease(session, old.lease_epoch))
    go_on.set()
    done = await rewinding
    events = await finished.stage.until(finished.ports, lambda row: idle(row) and row.seq > done.seq + 5)
    is_whole(events)
    answered = next(event for event in events if event.HasField("turn_started") and event.seq > 5)
    assert answered.seq > done.seq


async def test_what_cannot_be_gone_back_to_is_refused_and_changes_nothing(finished: Finished) -> None:
    count = len(await finished.events())
    seq = (await finished.edits())[0].seq
    with pytest.raises(StepNotFound):
        await finished.rewind(seq=1)
    with pytest.raises(StepNotFound):
        await finished.rewind(seq=count + 1)
    with pytest.raises(StepNotFound):
        await finished.rewind(checkpoint_id="never")
    with pytest.raises(SessionNotFound):
        await rewind_session(finished.ports, "usr_2", finished.stage.session_id, RewindOrder("k", seq))
    with pytest.raises(StepNotFound):
        await get_session_diff(finished.ports, ME, finished.stage.session_id, 1, 0, 50, counts_only=True)
    finished.stage.place.trees.clear()
    with pytest.raises(FilesGone):
        await finished.rewind(seq=seq)
    with pytest.raises(FilesGone):
        await get_session_diff(finished.ports, ME, finished.stage.session_id, 0, 0, 50, counts_only=True)
    finished.stage.place.away = 10
    with pytest.raises(SandboxAway):
        await finished.rewind(seq=seq)
    assert len(await finished.events()) == count
    finished.stage.place.away = 0
    # The session was let go each time.
    assert await finished.ports.store.take("another", finished.stage.session_id) is not None
