"""A command from its start to its end, in the log and live, whoever asked for it."""

import hashlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace

from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CommandCompleted, CommandStarted, NetworkBlocked

from services.sessions.agent.journal import Journal
from services.sessions.agent.prompt import WORKSPACE
from services.sessions.domain.models import Draft
from services.sessions.domain.work import CommandBlocked, CommandEnded, CommandOutput


async def record_command(
    journal: Journal,
    item_id: str,
    parent: str,
    command: str,
    timeout_ms: int = 0,
    cwd: str = ".",
    labels: Mapping[str, str] | None = None,
) -> CommandCompleted:
    """Runs a command of Lucid's own (such as a clone) under the item's id, at most once, and records it.

    Raises ToolFailure, ConnectionError.
    """
    journal.ports.live.open(journal.session_id, item_id, CHANNEL_STDOUT)
    if item_id not in journal.state.open_commands:
        started = CommandStarted(command=command, cwd=f"{WORKSPACE}/{cwd}".removesuffix("/."), timeout_ms=timeout_ms)
        await journal.append(
            journal.draft(
                key=f"{item_id}:started",
                item_id=item_id,
                parent=parent,
                system=True,
                labels=labels or {},
                command_started=started,
            )
        )
    ended = await follow_command(journal, item_id, command, timeout_ms, cwd)
    await journal.append(completed_draft(journal, item_id, parent, ended.completed))
    return ended.completed


async def follow_command(journal: Journal, item_id: str, command: str, timeout_ms: int, cwd: str) -> CommandEnded:
    """Starts the command or attaches to it, and shows its output until it has ended. What was blocked is recorded."""
    blocked: list[NetworkBlocked] = []
    run = journal.ports.workspace.run(journal.record, item_id, command, timeout_ms, cwd)
    async with aclosing(run) as frames:
        async for frame in frames:
            if isinstance(frame, CommandOutput):
                journal.ports.live.write(journal.session_id, item_id, CHANNEL_STDOUT, frame.offset, frame.data)
            elif isinstance(frame, CommandBlocked):
                blocked.append(frame.call)
                await journal.append(_blocked_draft(journal, item_id, frame.call))
            elif isinstance(frame, CommandEnded):
                return replace(frame, blocked=tuple(blocked))
    raise ConnectionError("The sandbox's stream ended before the command did.")


def _blocked_draft(journal: Journal, item_id: str, call: NetworkBlocked) -> Draft:
    """Once for each host and command, however often the command tries and we follow it."""
    name = hashlib.sha256(f"{call.host}:{call.port}".encode()).hexdigest()[:16]
    return journal.draft(key=f"{item_id}:blocked:{name}", parent=item_id, system=True, network_blocked=call)


def completed_draft(journal: Journal, item_id: str, parent: str, completed: CommandCompleted) -> Draft:
    """The event that ends a command's item; stored at most once."""
    return journal.draft(key=f"{item_id}:completed", item_id=item_id, parent=parent, command_completed=completed)
