"""A sandbox that was put away, went away or lost its files: the agent's ground is made again, and the model is told."""

from dataclasses import replace

from lucid.sessions.v1.event_pb2 import CommandCompleted, CommandStarted, SandboxChanged, StatusChanged

from services.sessions.agent.journal import Journal
from services.sessions.agent.prepare import prepare
from services.sessions.agent.recovery import take_over
from services.sessions.agent.sandboxes import SandboxNews, transition_key
from services.sessions.domain.conversation import UserTurn
from services.sessions.domain.work import Confinement, Happened, RestoredWork
from tests.fakes.ports import SESSION, World

FIRST = Confinement("docker", "img", "/workspace", False, True, workspace_id="ws1", transition_id="trs_1")
OTHER = replace(FIRST, workspace_id="ws2", transition_id="trs_2", checkpoint_id="chk_1")


async def owner(world: World) -> Journal:
    """The next owner's view of the log."""
    journal = Journal(world.ports, world.record)
    await take_over(journal)
    return journal


async def worked() -> World:
    """A session whose ground was made once."""
    world = World([])
    world.place.sandbox = FIRST
    await prepare(await owner(world))
    return world


def states(world: World) -> list[str]:
    return [SandboxChanged.State.Name(each.state).removeprefix("STATE_") for each in world.log.of("sandbox_changed")]


def notes(turns: tuple[object, ...]) -> list[str]:
    return [turn.text for turn in turns if isinstance(turn, UserTurn) and turn.text.startswith("[Lucid]")]


async def test_nothing_is_done_for_a_sandbox_that_is_as_it_was() -> None:
    world = await worked()
    before = len(world.log.events)
    world.place.sandbox = replace(FIRST, created=False)
    await prepare(await owner(world))
    assert {event.WhichOneof("payload") for event in world.log.events[before:]} == {"status_changed"}
    assert states(world) == ["READY"]


async def test_one_that_is_back_on_its_files_is_told_of_and_not_filled_again() -> None:
    world = await worked()
    runs = list(world.place.starts)
    world.place.sandbox = replace(FIRST, transition_id="trs_2")
    journal = await owner(world)
    await prepare(journal)
    assert states(world) == ["READY", "REBUILT"]
    assert world.place.starts == runs
    assert ["kept workspace" in note for note in notes(journal.context.turns())] == [True]


async def test_one_whose_files_are_gone_is_cloned_again_and_given_what_was_saved() -> None:
    world = await worked()
    clones = len(world.place.starts)
    world.place.sandbox = OTHER
    world.place.saved = RestoredWork("chk_1", "trs_3", 2, 3, "big: too large")
    journal = await owner(world)
    await prepare(journal)
    assert states(world) == ["READY", "REBUILT", "RESTORED"]
    assert len(world.place.starts) == clones + 1
    assert world.place.brought_back == [(world.place.starts[-1], "chk_1")]
    assert [each.reason for each in world.log.of("checkpoint_created")] == ["base", "rebuilt"]
    assert world.log.of("file_tree_changed")[-1].reload
    gone, back = notes(journal.context.turns())
    assert "files are gone" in gone
    assert "2 commits" in back
    assert "big: too large" in back
    again = await owner(world)
    await prepare(again)
    assert len(world.place.brought_back) == 1


async def test_a_crash_between_clone_and_checkpoint_does_both_again_under_another_key() -> None:
    world = await worked()
    world.place.sandbox = OTHER
    for count in range(1, 12):
        before = len(world.log.events)
        world.log.crash_at = world.log.appends + count
        try:
            await prepare(await owner(world))
        except BaseException as crash:
            if type(crash).__name__ != "Crash":
                raise
        else:
            break
        assert len(world.log.events) >= before
    assert [each.reason for each in world.log.of("checkpoint_created")] == ["base", "rebuilt"]
    assert states(world).count("REBUILT") == 1
    keys = [key for key, _ in world.place.brought_back]
    assert len(set(keys)) == len(keys) > 1


async def test_commands_of_a_lost_workspace_are_ended_and_not_run_again() -> None:
    world = await worked()
    journal = await owner(world)
    await journal.append(journal.draft(item_id="itm_open", command_started=CommandStarted(command="make")))
    world.place.sandbox = replace(OTHER, checkpoint_id="")
    await prepare(await owner(world))
    ended = [event for event in world.log.events if event.HasField("command_completed") and event.item_id == "itm_open"]
    assert [event.command_completed.reason for event in ended] == [CommandCompleted.REASON_SANDBOX_LOST]
    assert "itm_open" not in world.place.starts
    assert world.place.brought_back == []


async def test_what_happens_beside_is_told_once_by_whoever_sees_it_and_wakes_nobody() -> None:
    world = await worked()
    paused = SandboxChanged(sandbox_id="sbx_1", state=SandboxChanged.STATE_PAUSED)
    lost = SandboxChanged(sandbox_id="sbx_1", state=SandboxChanged.STATE_LOST, reason="its container was removed")
    strange = SandboxChanged(sandbox_id="sbx_other", state=SandboxChanged.STATE_LOST)
    world.place.news = [
        Happened(4, "trs_4", SESSION, paused),
        Happened(5, "trs_5", SESSION, lost),
        Happened(6, "trs_6", SESSION, strange),
    ]
    first, second = SandboxNews(world.ports), SandboxNews(world.ports)
    await first.look()
    world.log.cursors.clear()  # the other one has not heard yet
    await second.look()
    await first.look()
    assert states(world) == ["READY", "PAUSED", "LOST"]
    assert all(change.quiet and change.wanted is None for change in world.log.changes if change.quiet)
    assert [await world.log.find(SESSION, transition_key(f"trs_{number}")) is not None for number in (4, 5, 6)] == [
        True,
        True,
        False,
    ]
    journal = await owner(world)
    assert ["container was removed" in note for note in notes(journal.context.turns())] == [True]
    assert journal.state.asleep
    await prepare(journal)
    assert StatusChanged.PHASE_RESUMING in [each.phase for each in world.log.of("status_changed")]


async def test_how_it_came_up_is_left_to_the_turn_for_a_while() -> None:
    world = await worked()
    rebuilt = SandboxChanged(sandbox_id="sbx_1", state=SandboxChanged.STATE_REBUILT, workspace_id="ws2")
    paused = SandboxChanged(sandbox_id="sbx_1", state=SandboxChanged.STATE_PAUSED)
    world.place.news = [Happened(1, "trs_2", SESSION, rebuilt), Happened(2, "trs_9", SESSION, paused)]
    news = SandboxNews(world.ports, left=5.0)
    await news.look()
    assert states(world) == ["READY"]
    await world.ports.clock.sleep(6.0)
    await news.look()
    assert states(world) == ["READY", "REBUILT", "PAUSED"]
    world.place.sandbox = OTHER
    await prepare(await owner(world))  # the turn has nothing to tell any more, and all to do
    assert states(world) == ["READY", "REBUILT", "PAUSED", "RESTORED"]


async def test_a_sandbox_service_that_begins_to_count_again_is_read_from_the_beginning() -> None:
    world = await worked()
    world.log.cursors["sandbox transitions"] = 900
    paused = SandboxChanged(sandbox_id="sbx_1", state=SandboxChanged.STATE_PAUSED)
    world.place.news = [Happened(1, "trs_new", SESSION, paused)]
    news = SandboxNews(world.ports)
    await news.look()
    await news.look()
    assert states(world) == ["READY", "PAUSED"]
