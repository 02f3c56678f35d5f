"""Image, variables and set-up script of a session, before the agent works: the real agent, a sandbox of values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1.event_pb2 import CommandCompleted, Error, Event, SandboxChanged, StatusChanged

from services.sessions.agent.prepare import PrepareFailed, prepare
from services.sessions.domain.environment import Environment
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import Confinement, Gate
from tests.fakes.ports import Place, Ran, World
from tests.fakes.scripted_model import Script

CONFIG = ".lucid/config.toml"
NO_WORDS: Script = []


class Kept(Place):
    """One that runs on between turns."""

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        return replace(await super().create(record, gate), created=self.creates == 1)


def world(config: str | None = None, ran: Ran | None = None, allowed: Sequence[str] = (), **own: Any) -> World:
    files = {"README.md": "hello\n"} | ({} if config is None else {CONFIG: config})
    place = Kept(lambda command: ran if ran is not None and command.startswith("set -e\n") else Ran(b"ok\n"), files)
    place.allowed, place.unsuitable = tuple(allowed), ("riscv",)
    made = World(NO_WORDS, place)
    if own:
        made.record = replace(made.record, environment=Environment(**own))
    return made


async def prepared(made: World) -> None:
    await prepare(await made.journal())


def events(made: World, kind: str) -> list[Event]:
    return [event for event in made.log.events if event.WhichOneof("payload") == kind]


def setups(made: World) -> list[str]:
    return [event.command_started.command for event in events(made, "command_started") if event.labels.get("setup")]


async def test_a_repository_without_the_file_is_as_before() -> None:
    made = world()
    await prepared(made)
    assert made.place.surroundings is None
    assert not setups(made)
    assert not made.log.of("error")


async def test_the_script_runs_once_until_its_text_or_the_sandbox_is_another() -> None:
    made = world('setup = "make deps"\ntimeout = 90')
    await prepared(made)
    phases = [status.phase for status in made.log.of("status_changed")]
    assert phases[-2:] == [StatusChanged.PHASE_SETUP, StatusChanged.PHASE_RUNNING]
    await prepared(made)
    assert setups(made) == ["set -e\nmake deps"]
    assert made.log.of("command_started")[-1].timeout_ms == 90_000
    made.place.files[CONFIG] = 'setup = "make more"'
    await prepared(made)
    assert setups(made) == ["set -e\nmake deps", "set -e\nmake more"]
    rebuilt = SandboxChanged(state=SandboxChanged.STATE_REBUILT, reason="docker")
    journal = await made.journal()
    await journal.append(journal.draft(system=True, sandbox_changed=rebuilt))
    await prepared(made)
    assert setups(made)[2:] == ["set -e\nmake more"]


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (Ran(b"no such package\n", exit_code=2), ("exit code 2", "no such package")),
        (Ran(b"slow\n", reason=CommandCompleted.REASON_TIMEOUT), ("timeout", "slow")),
    ],
)
async def test_a_failure_is_shown_and_the_agent_knows(ran: Ran, words: tuple[str, ...]) -> None:
    made = world('setup = "make deps"', ran)
    await prepared(made)
    await prepared(made)
    assert len(setups(made)) == 1, "a script that failed is not tried again by itself"
    assert made.log.of("status_changed")[-1].phase == StatusChanged.PHASE_RUNNING
    told = str((await made.journal()).context.turns()[-1])
    assert all(word in told for word in words)


async def test_one_that_was_lost_with_its_sandbox_runs_again() -> None:
    made = world('setup = "make deps"', Ran(b"half", reason=CommandCompleted.REASON_SANDBOX_LOST))
    await prepared(made)
    await prepared(made)
    assert len(setups(made)) == 2


async def test_the_agent_knows_of_a_success_and_its_files_are_not_the_agents() -> None:
    made = world('setup = "make deps"', Ran(b"fine\n", writes={"generated.txt": "x\n"}))
    await prepared(made)
    assert "exit code 0" in str((await made.journal()).context.turns()[-1])
    (edited,) = events(made, "file_edited")
    started = next(event for event in events(made, "command_started") if event.labels.get("setup"))
    assert (edited.file_edited.path, edited.file_edited.cause_item_id) == ("generated.txt", started.item_id)


async def test_an_image_and_variables_are_a_sandbox_made_again_once() -> None:
    made = world('image = "go"\n[env]\nWHO = "hidden"', allowed=("default", "go"))
    await prepared(made)
    await prepared(made)
    assert made.place.surroundings == ("go", {"WHO": "hidden"})
    (changed,) = [event for event in made.log.of("sandbox_changed") if event.message]
    assert (changed.state, changed.image) == (SandboxChanged.STATE_REBUILT, "go")
    assert changed.message == "Made again with image go and variables WHO."
    made.place.files[CONFIG] = ""
    await prepared(made)
    assert made.place.surroundings == ("default", {})


async def test_what_the_session_asks_for_goes_first() -> None:
    made = world(
        'image = "go"\nsetup = "theirs"\n[env]\nA = "theirs"\nB = "theirs"',
        allowed=("default", "go", "own"),
        image="own",
        setup="own",
        variables={"A": "own"},
    )
    await prepared(made)
    assert made.place.surroundings == ("own", {"A": "own", "B": "theirs"})
    assert setups(made) == ["set -e\nown"]


async def test_an_image_that_is_not_allowed_is_told_once_and_the_work_goes_on() -> None:
    made = world('image = "strange"\n[env]\nA = "1"', allowed=("default",))
    await prepared(made)
    await prepared(made)
    assert made.place.surroundings == ("default", {"A": "1"})
    (error,) = made.log.of("error")
    assert (error.kind, error.code, error.user_action) == (
        Error.KIND_CONFIG,
        "IMAGE_NOT_ALLOWED",
        Error.USER_ACTION_NONE,
    )
    assert "strange" in error.message
    assert "default image" in error.message


async def test_where_there_are_no_images_that_is_told() -> None:
    made = world('image = "go"')
    await prepared(made)
    await prepared(made)
    assert [error.code for error in made.log.of("error")] == ["NO_IMAGES"]


async def test_an_image_that_does_not_do_is_the_sessions_red_card() -> None:
    made = world('image = "riscv"', allowed=("default", "riscv"))
    with pytest.raises(PrepareFailed):
        await prepared(made)
    (error,) = made.log.of("error")
    assert (error.kind, error.code) == (Error.KIND_SANDBOX, "IMAGE_UNSUITABLE")


async def test_a_bad_file_is_told_once_for_each_content() -> None:
    made = world("image = ")
    await prepared(made)
    await prepared(made)
    assert [error.code for error in made.log.of("error")] == ["REPOSITORY_CONFIG"]
    made.place.files[CONFIG] = 'colour = "red"\n[env]\nPATH = "hidden"'
    await prepared(made)
    assert len(made.log.of("error")) == 2
    assert "colour" in made.log.of("error")[-1].message
    assert "hidden" not in str(made.log.of("error"))


async def test_a_session_without_a_repository_has_its_own() -> None:
    made = world(setup="own", image="")
    made.record = replace(made.record, repository=None)
    await prepared(made)
    assert setups(made) == ["set -e\nown"]
