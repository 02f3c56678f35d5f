"""Closes what is open: after a crash as far as nobody can go on with it, after a stop all of it."""

import asyncio

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_STDOUT,
    CommandCompleted,
    Event,
    StatusChanged,
    TextCompleted,
    ToolCallCompleted,
)

from services.rpc import logs
from services.sessions.agent.commands import completed_draft, follow_command
from services.sessions.agent.journal import Journal
from services.sessions.domain.models import Draft
from services.sessions.domain.work import CommandEnded, ToolFailure

log = logs.get_logger("lucid.sessions.recovery")
STOP_SECONDS = 8.0
NOT_RUN = "The turn ended before this call was done. Look at the state of things before you repeat it."
STOPPED = "Stopped by the person before it was done. What it had done stays."


async def take_over(journal: Journal) -> None:
    """Loads the log and makes it live here. Texts that a dead owner was writing end as far as they were kept.

    Commands and tool calls stay open: the turn goes on with them, by their keys.
    """
    await journal.load()
    state = journal.state
    opened = [*state.open_texts.values(), *state.open_commands.values()]
    journal.ports.live.adopt(
        journal.session_id, state.seq, [(event, event.SerializeToString(deterministic=True)) for event in opened]
    )
    kept = await journal.ports.store.load_progress(journal.session_id)
    drafts = [
        _text_completed(journal, event, kept.get((item, event.text_started.channel), b""), reset=not state.stopping)
        for item, event in state.open_texts.items()
    ]
    if state.turn_open and state.phase == StatusChanged.PHASE_RUNNING:
        # How long the owner before has worked since its last event, nobody can say: that time is not counted.
        drafts.append(journal.draft(system=True, status_changed=StatusChanged(phase=StatusChanged.PHASE_RESUMING)))
    if drafts:
        await journal.append(*drafts)


async def take_back(journal: Journal) -> None:
    """Ends the texts of a model call that was cut to be asked again later."""
    await journal.settle()
    live = journal.ports.live
    drafts = [
        _text_completed(journal, event, live.content(journal.session_id, item, event.text_started.channel), reset=True)
        for item, event in journal.state.open_texts.items()
    ]
    if drafts:
        await journal.append(*drafts)


async def interrupt(journal: Journal) -> None:
    """Ends everything that runs and completes every open item, keeping what was printed and written."""
    await journal.settle()
    state = journal.state
    live = journal.ports.live
    drafts = [
        _text_completed(journal, event, live.content(journal.session_id, item, event.text_started.channel), reset=False)
        for item, event in state.open_texts.items()
    ]
    drafts += await asyncio.gather(*(_stop_command(journal, event) for event in state.open_commands.values()))
    await _stop_everything(journal)
    drafts += _open_calls_completed(journal, STOPPED)
    if drafts:
        await journal.append(*drafts)


async def close_lost_commands(journal: Journal) -> None:
    """Ends the commands of a sandbox whose files are gone: nobody can say what they had done, and none is run again."""
    drafts = []
    for item, event in journal.state.open_commands.items():
        head = journal.ports.live.content(journal.session_id, item, CHANNEL_STDOUT)[: 32 * 1024]
        completed = CommandCompleted(reason=CommandCompleted.REASON_SANDBOX_LOST, head=head, total_bytes=len(head))
        drafts.append(completed_draft(journal, item, event.parent_item_id, completed))
    if drafts:
        await journal.append(*drafts)


async def close_calls(journal: Journal) -> None:
    """Completes the calls that a failed turn leaves: the next turn must not run what the last one wanted."""
    drafts = list(
        await asyncio.gather(*(_stop_command(journal, event) for event in journal.state.open_commands.values()))
    )
    drafts += _open_calls_completed(journal, NOT_RUN)
    if drafts:
        await journal.append(*drafts)


def _open_calls_completed(journal: Journal, why: str) -> list[Draft]:
    return [
        journal.draft(
            key=f"{item}:completed", item_id=item, tool_call_completed=ToolCallCompleted(ok=False, result_text=why)
        )
        for item in journal.state.open_calls
    ]


async def _stop_command(journal: Journal, event: Event) -> Draft:
    item, started = event.item_id, event.command_started
    try:
        async with asyncio.timeout(STOP_SECONDS):
            completed = (await _stopped(journal, item, started.command)).completed
    except (TimeoutError, ConnectionError, ToolFailure) as error:
        log.warning("command could not be stopped in order", extra={"item": item, "error": type(error).__name__})
        head = journal.ports.live.content(journal.session_id, item, 3)[: 32 * 1024]
        completed = CommandCompleted(reason=CommandCompleted.REASON_SANDBOX_LOST, head=head, total_bytes=len(head))
    return completed_draft(journal, item, event.parent_item_id, completed)


async def _stopped(journal: Journal, item: str, command: str) -> CommandEnded:
    """The command's end. A sandbox that has gone is brought back: its journal tells what was printed."""
    workspace = journal.ports.workspace
    try:
        await workspace.stop(journal.record, item)
        return await follow_command(journal, item, command, 0, "")
    except ToolFailure:
        await workspace.create(journal.record, None)
        return await follow_command(journal, item, command, 0, "")


async def _stop_everything(journal: Journal) -> None:
    """Also what commands have left in the background."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await journal.ports.workspace.stop(journal.record, "")
    except (TimeoutError, ConnectionError, ToolFailure) as error:
        log.warning("sandbox could not be stopped", extra={"error": type(error).__name__})


def _text_completed(journal: Journal, event: Event, kept: bytes, *, reset: bool) -> Draft:
    completed = TextCompleted(
        channel=event.text_started.channel, text=kept.decode(errors="ignore"), interrupted=True, reset=reset
    )
    return journal.draft(
        key=f"{event.item_id}:completed", item_id=event.item_id, labels=dict(event.labels), text_completed=completed
    )
