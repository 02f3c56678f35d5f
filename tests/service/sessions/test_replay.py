"""Recorded sessions replay to the same events; what was altered shows as the first difference.

One recording is kept, so that a change of the agent that changes what a session comes to does not go unseen. Where
that is meant, `RECORD=1` writes it anew.
"""

import asyncio
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from lucid.sessions.v1.event_pb2 import Event
from lucid.sessions.v1.sessions_pb2 import Session

from services.sessions import convert
from services.sessions.backends.demo import DemoModel
from services.sessions.domain.conversation import (
    FailureKind,
    ModelFailure,
    ModelRequest,
    TextPiece,
    ToolResult,
    UsagePiece,
)
from services.sessions.domain.models import Budget, NewSession, Policy, Repository
from services.sessions.export import Writer
from services.sessions.replay.play import Replay
from services.sessions.replay.recording import read
from services.sessions.usecases.cancel_queued_message import cancel_queued_message
from services.sessions.usecases.configure_session import configure_session
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.move_queued_message import move_queued_message
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.rename_session import rename_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.resume_session import resume_session
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from services.sessions.usecases.update_queued_message import update_queued_message
from tests.fakes.ports import Ran
from tests.fakes.scripted_model import Script, said
from tests.service.sessions.test_delete_session import Ground, at_work

ME = "usr_1"
KEPT = Path(__file__).parents[2] / "golden" / "tea_session.jsonl"
RECORD = bool(os.environ.get("RECORD"))
REPOSITORY = Repository("local", "lucid/teatime", "http://localhost/lucid/teatime")


async def export(ground: Ground, session_id: str) -> bytes:
    record = await ground.ports.store.get(session_id)
    rows = await ground.ports.store.read(session_id, 0, 2**31 - 1, 10_000)
    writer = Writer()
    lines = [writer.header(convert.to_session(record), datetime(2026, 1, 2, tzinfo=UTC))]
    return b"".join([*lines, *(writer.event(seq, data) for seq, data in rows), writer.end()])


async def replayed(file: bytes) -> str:
    async with asyncio.timeout(50):
        return await Replay(read(file.splitlines(keepends=True))).run()


async def turns(ground: Ground, session_id: str, count: int) -> None:
    async with asyncio.timeout(20):
        while kinds(await ground.log(session_id)).count("turn_completed") < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await ground.let_go(session_id)


def kinds(events: list[Event]) -> list[str]:
    return [event.WhichOneof("payload") or "" for event in events]


def works(command: str) -> Ran:
    """What commands do in the recorded sessions."""
    if "clone" in command:
        return Ran(b"Cloning into 'teatime'...\n", writes={"tea.py": "minutes = 3\n"})
    if "test" in command:
        return Ran(b"FAILED: black tea needs 4 minutes\n\xff\xfe", exit_code=1)
    if "push" in command:
        return Ran(b"pushed\n", push="lucid/x/tea")
    return Ran(b"done\n", writes={"notes/a.txt": "a\n"})


RECORDED: list[list[Any]] = [
    said("Let me see.", ("run_command", {"command": "make test"}), reasoning="Hm hm"),
    said("", ("view_file", {"path": "tea.py"}), ("view_file", {"path": "none.py"})),
    said(
        "Mend it.",
        ("edit_file", {"command": "replace", "path": "tea.py", "old_text": "3", "new_text": "4"}),
        ("edit_file", {"command": "replace", "path": "tea.py", "old_text": "9", "new_text": "4"}),
        ("update_plan", {"steps": [{"text": "mend", "state": "done"}]}),
        ("no_such_tool", {}),
    ),
    said("", ("ask_user", {"question": "Push it?", "options": ["yes", "no"]})),
    said("", ("run_command", {"command": "git push"})),
    said("", ("open_pull_request", {"title": "Tea", "body": "Four minutes."})),
    said("", ("finish", {"summary": "Black tea takes four minutes."})),
    said("", ("run_command", {"command": "touch notes/a.txt"})),
    said("Noted."),
]


async def a_day_of_work(ground: Ground) -> str:
    """An edit, a failing command, a question, a push with its pull request, and a message that had to wait."""
    session_id = (await create_session(ground.ports, NewSession(ME, "Mend the tea", repository=REPOSITORY))).session_id
    await ground.until(session_id, "approval_requested")
    await ground.let_go(session_id)
    await rename_session(ground.ports, ME, session_id, "My tea")
    asked = next(event for event in await ground.log(session_id) if event.HasField("approval_requested"))
    await resolve_approval(ground.ports, ME, session_id, asked.approval_requested.request_id, "1", "")
    await turns(ground, session_id, 1)
    await send_message(ground.ports, ME, session_id, "Write notes too", "m2")
    await turns(ground, session_id, 2)
    return session_id


async def test_a_day_of_work_replays(database_url: str) -> None:
    async with at_work(database_url, RECORDED, commands=works) as ground:
        session_id = await a_day_of_work(ground)
        file = await export(ground, session_id)
        if RECORD:
            KEPT.write_bytes(file)
        found = kinds(await ground.log(session_id))
    wanted = {"file_edited", "branch_pushed", "pull_request_changed", "approval_resolved", "plan_updated"}
    assert wanted <= set(found)
    assert await replayed(file) == ""


async def test_the_demo_replays(tmp_path: Path) -> None:
    demo = DemoModel(100_000.0, 0.0)

    class Demo:
        async def stream(self, request: ModelRequest) -> Any:
            async for piece in demo.stream(request):
                yield piece

    async with at_work(f"sqlite:///{tmp_path / 'a.db'}", [], commands=works) as ground:
        ground.ports.models.model = Demo()  # type: ignore[attr-defined]
        wish = NewSession(ME, "Mend the tea", model="demo", repository=REPOSITORY)
        session_id = (await create_session(ground.ports, wish)).session_id
        await turns(ground, session_id, 1)
        file = await export(ground, session_id)
    assert await replayed(file) == ""


async def test_an_environment_replays(tmp_path: Path) -> None:
    config = 'image = "go"\nsetup = "make test"\ntimeout = 90\n[env]\nA = "1"\nB = "2"\n'

    def clones(command: str) -> Ran:
        return Ran(b"", writes={".lucid/config.toml": config}) if "clone" in command else works(command)

    url = f"sqlite:///{tmp_path / 'a.db'}"
    async with at_work(url, RECORDED[7:], commands=clones, allowed=("default", "go")) as ground:
        wish = NewSession(ME, "Write notes", repository=REPOSITORY)
        session_id = (await create_session(ground.ports, wish)).session_id
        await turns(ground, session_id, 1)
        file = await export(ground, session_id)
        events = await ground.log(session_id)
    assert [event.sandbox_changed.message for event in events if event.labels.get("surrounded")]
    assert [event.command_started.timeout_ms for event in events if event.labels.get("setup")] == [90_000]
    assert await replayed(file) == ""


Deed = Callable[[Ground, str], Awaitable[None]]


async def shown(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "text_started")
    async with asyncio.timeout(10):
        while not any(ground.ports.live.texts(session_id).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def stopped_in_a_word(ground: Ground, session_id: str) -> None:
    await shown(ground, session_id)
    await stop_session(ground.ports, ME, session_id)
    await turns(ground, session_id, 1)


async def stopped_in_a_command(ground: Ground, session_id: str) -> None:
    await ground.until(session_id, "command_started")
    await ground.place.started.wait()
    await stop_session(ground.ports, ME, session_id)
    await turns(ground, session_id, 1)


async def through(ground: Ground, session_id: str) -> None:
    await turns(ground, session_id, 1)


BREAKS = [
    [*said("Half an")[:2], ModelFailure(FailureKind.TRANSIENT, "broke off", pieces_seen=True)],
    [ModelFailure(FailureKind.RATE_LIMIT, "slow down", retry_after=30.0)],
    said("Whole."),
]


def steady(command: str) -> Ran:
    return Ran(b"same\n")


async def queued_and_stopped(ground: Ground, session_id: str) -> None:
    """Three messages wait, one is withdrawn; a stop holds those that are left, and the person goes on with them."""
    await shown(ground, session_id)
    for item in ("q1", "q2", "q3"):
        await send_message(ground.ports, ME, session_id, f"then {item}", item)
    await update_queued_message(ground.ports, ME, session_id, "q2", "then q2, changed", None)
    await move_queued_message(ground.ports, ME, session_id, "q3", 0)
    await cancel_queued_message(ground.ports, ME, session_id, "q1")
    await stop_session(ground.ports, ME, session_id)
    await turns(ground, session_id, 1)
    await resume_session(ground.ports, ME, session_id)
    await turns(ground, session_id, 3)


async def paused_at_a_word(ground: Ground, session_id: str) -> None:
    await shown(ground, session_id)
    await pause_session(ground.ports, ME, session_id)
    await ground.let_go(session_id)
    await configure_session(ground.ports, ME, session_id, lambda policy: replace(policy, fallback_model="a/b"))
    await resume_session(ground.ports, ME, session_id)
    await turns(ground, session_id, 1)


async def answered_circles(ground: Ground, session_id: str) -> None:
    await answered(ground, session_id, "stop", 1)
    await turns(ground, session_id, 1)


def varying() -> Callable[[str], Ran]:
    numbers = iter(range(10_000))
    return lambda _: Ran(f"output {next(numbers)}\n".encode())


async def allowed_more(ground: Ground, session_id: str) -> None:
    await answered(ground, session_id, "go_on", 1)
    await answered(ground, session_id, "stop", 2)
    await turns(ground, session_id, 1)


async def answered(ground: Ground, session_id: str, option: str, number: int) -> None:
    async with asyncio.timeout(20):
        while kinds(await ground.log(session_id)).count("approval_requested") < number:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await ground.let_go(session_id)
    asked = [event.approval_requested for event in await ground.log(session_id) if event.HasField("approval_requested")]
    await resolve_approval(ground.ports, ME, session_id, asked[-1].request_id, option, "")


def with_window(answer: list[Any], used: int) -> list[Any]:
    """The answer as a model with a small window tells of it."""
    usage = UsagePiece(input_tokens=used, output_tokens=5, context_window=1000, cost_micros=7, price_known=True)
    return [usage if isinstance(piece, UsagePiece) else piece for piece in answer]


def crowded(request: ModelRequest) -> list[Any]:
    """Fills its window step by step; asked without tools it takes notes."""
    if not request.tools:
        return said("Notes:of_the_tea")
    calls = sum(isinstance(turn, ToolResult) for turn in request.turns)
    if "of_the_tea" in str(request.turns):
        return with_window(said("Done."), 100)
    words = "word" * 40
    return with_window(said(f"{words}{calls}", ("run_command", {"command": f"make {calls}"})), 200 + 200 * calls)


AWAY = [ModelFailure(FailureKind.QUOTA, "used up")]
SAME_AGAIN = said("", ("run_command", {"command": "make"}))
SEARCHES: list[list[Any]] = [
    said(
        "",
        ("search_files", {"query": "minutes", "max_results": 1000}),
        ("search_files", {"query": "minutes", "max_results": 2}),
        ("search_files", {"query": "coffee", "path": "b.txt"}),
        ("search_files", {}),
    ),
    said("Done."),
]
SLOW_WORD = [TextPiece("Half a "), 0.01, 60.0]
CASES: list[tuple[str, Script, Deed, dict[str, Any]]] = [
    ("stopped-in-a-word", [[*said("Half")[:1], 60.0]], stopped_in_a_word, {}),
    (
        "stopped-in-a-command",
        [said("", ("run_command", {"command": "x"}))],
        stopped_in_a_command,
        {"hang": True, "commands": lambda _: Ran(b"half and half", reason=3)},
    ),
    ("queue-and-stop", [SLOW_WORD, said("One."), said("Two.")], queued_and_stopped, {}),
    ("paused-in-a-word", [SLOW_WORD, said("Whole.")], paused_at_a_word, {}),
    ("budget", [SAME_AGAIN], allowed_more, {"commands": varying()}),
    ("circles", [SAME_AGAIN], lambda ground, session_id: answered_circles(ground, session_id), {"commands": steady}),
    ("compaction", crowded, through, {"commands": varying()}),
    ("fallback", lambda request: said("Done.") if request.model == "a/b" else AWAY, through, {}),
    ("searches", SEARCHES, through, {"files": {"tea.py": "minutes = 3\n" * 2000, "b.txt": "9\n"}}),
    ("broken-streams", BREAKS, through, {}),
    ("refused-key", [[ModelFailure(FailureKind.AUTH, "no")]], through, {}),
    ("empty-answers", [said("")], through, {}),
    ("cut-answer", [said("Long", cut=True), said("Done.")], through, {}),
]


@pytest.mark.parametrize(("script", "deed", "place"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_it_replays(tmp_path: Path, script: Script, deed: Deed, place: dict[str, Any]) -> None:
    async with at_work(f"sqlite:///{tmp_path / 'a.db'}", script, **place) as ground:
        policy = Policy(budget=Budget(steps=3)) if deed is allowed_more else Policy(fallback_model="a/b")
        session_id = (await create_session(ground.ports, NewSession(ME, "Mend it", policy=policy))).session_id
        await deed(ground, session_id)
        file = await export(ground, session_id)
        found = kinds(await ground.log(session_id))
    assert ("context_compacted" in found) == (script is crowded)
    assert await replayed(file) == ""


def rewritten(file: bytes, change: Callable[[list[Event]], None]) -> bytes:
    """The recording as if something else had happened, with a whole chain."""
    recording = read(file.splitlines(keepends=True))
    events = list(recording.events)
    change(events)
    session = ParseDict(recording.header["session"], Session())
    session.last_seq = len(events)
    writer, last = Writer(), b""
    lines = [writer.header(session, datetime(2026, 1, 2, tzinfo=UTC))]
    for seq, event in enumerate(events, 1):
        event.seq, event.prev_hash = seq, last
        data = event.SerializeToString(deterministic=True)
        last = hashlib.sha256(data).digest()
        lines.append(writer.event(seq, data))
    return b"".join([*lines, writer.end()])


async def test_another_course_of_things_is_the_first_difference(tmp_path: Path) -> None:
    async with at_work(f"sqlite:///{tmp_path / 'a.db'}", RECORDED, commands=works) as ground:
        file = await export(ground, await a_day_of_work(ground))
    assert await replayed(rewritten(file, lambda events: None)) == ""

    def seq_of(kind: str, number: int = 0) -> int:
        events = read(file.splitlines(keepends=True)).events
        return [event.seq for event in events if event.HasField(kind)][number]  # type: ignore[arg-type]

    def result(events: list[Event]) -> None:
        events[seq_of("tool_call_completed") - 1].tool_call_completed.result_text = "Exit code 0."

    def edit_left_out(events: list[Event]) -> None:
        del events[seq_of("file_edited") - 1]

    def plan(events: list[Event]) -> None:
        events[seq_of("plan_updated") - 1].plan_updated.steps[0].text = "another"

    def outcome(events: list[Event]) -> None:
        events[seq_of("turn_completed", 1) - 1].turn_completed.summary = "another"

    def one_more(events: list[Event]) -> None:
        events.append(Event(session_id=events[0].session_id, epoch=1, source=2, error=events[0].error))

    for change, seq in (
        (result, seq_of("tool_call_completed")),
        (plan, seq_of("plan_updated")),
        (outcome, seq_of("turn_completed", 1)),
        (one_more, len(read(file.splitlines(keepends=True)).events) + 1),
    ):
        assert (await replayed(rewritten(file, change))).startswith(f"seq {seq}: ")
    assert (await replayed(rewritten(file, edit_left_out))).startswith("seq ")


async def command(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    line = [sys.executable, "-m", "services.sessions.replay", *arguments]
    done = await asyncio.to_thread(subprocess.run, line, input=given, capture_output=True, check=False)
    return done.returncode, (done.stdout or done.stderr).decode()


async def test_the_command_on_a_kept_recording() -> None:
    code, words = await command(str(KEPT))
    assert (code, words.startswith("SAME ses_"), words.count("\n")) == (0, True, 1), words
    file = KEPT.read_bytes()
    code, words = await command("-", given=rewritten(file, lambda events: events.reverse()))
    assert (code, words.startswith("DIFFERS ses_")) == (1, True), words
    assert (await command("-", given=file[:-9]))[0] == 2
    assert (await command("none"))[0] == 2
    assert (await command())[0] == 2


def test_the_kept_recording_holds_no_path_of_a_machine() -> None:
    file = KEPT.read_bytes()
    assert len(file) < 80_000
    assert set(re.findall(rb"(?<![\w.:/+=])/(\w+)/", file)) <= {b"workspace"}
