"""Brings a session's ground into being: gate, sandbox, repository, first snapshot. Every step is safe to repeat."""

import asyncio
import shlex
from contextlib import suppress

from lucid.sessions.v1.event_pb2 import CheckpointCreated, CommandCompleted, Error, SandboxChanged, StatusChanged

from services.rpc.ids import new_id
from services.sessions.agent.commands import record_command
from services.sessions.agent.journal import Journal
from services.sessions.agent.phase import enter
from services.sessions.agent.setup import is_plain, set_up
from services.sessions.domain.models import Change, Repository
from services.sessions.domain.work import Confinement, Gate, ToolFailure

CLONE_TIMEOUT_MS = 600_000
LOOK_SECONDS = 1.0
STARTING = "Starting the sandbox"
_WORDS = {
    "CONNECTION_NOT_FOUND": ("Connect this provider in the settings first.", Error.USER_ACTION_OPEN_SETTINGS),
    "TOKEN_REFUSED": ("The provider refuses your token. Save a new one.", Error.USER_ACTION_RECONNECT_PROVIDER),
    "REPOSITORY_NOT_FOUND": (
        "The repository does not exist, or your token may not read it.",
        Error.USER_ACTION_OPEN_SETTINGS,
    ),
}


class PrepareFailed(Exception):
    """The ground could not be made; the error card is in the log."""


async def prepare(journal: Journal) -> None:
    """Ready to work, or PrepareFailed."""
    try:
        gate = await _open_gate(journal)
        await _start_sandbox(journal, gate)
        await _finish_left_commands(journal)
        if gate is not None and not journal.state.cloned:
            await _clone(journal, gate)
        elif not journal.state.cloned and is_plain(journal):
            journal.meanwhile(_base(journal))
            return
        elif not journal.state.cloned:
            await _checkpoint(journal)
        await set_up(journal)
    except ToolFailure as failure:
        await _fail(journal, failure)
    await enter(journal, StatusChanged.PHASE_RUNNING)


async def _base(journal: Journal) -> None:
    """The first snapshot. The model needs nothing of it, but what it answers comes after it."""
    try:
        await _checkpoint(journal)
    except ToolFailure as failure:
        await _fail(journal, failure)
    await enter(journal, StatusChanged.PHASE_RUNNING)


async def _open_gate(journal: Journal) -> Gate | None:
    if journal.record.repository is None:
        return None
    gate = await journal.ports.forge.open_gate(journal.record)
    journal.workdir = gate.full_name.rsplit("/", 1)[-1]
    known = Repository(gate.provider, gate.full_name, gate.url, journal.record.repository.base_branch)
    await journal.transition(lambda _: Change(repository=known))
    return gate


async def _start_sandbox(journal: Journal, gate: Gate | None) -> None:
    if not journal.state.cloned:
        await enter(journal, StatusChanged.PHASE_STARTING_SANDBOX, STARTING)
    began = journal.ports.clock.monotonic()
    made = await _made(journal, gate)
    took = int((journal.ports.clock.monotonic() - began) * 1000)
    if made.created or not journal.state.cloned:
        await journal.transition(lambda _: _sandbox_ready(journal, made, took))


async def _made(journal: Journal, gate: Gate | None) -> Confinement:
    """Says at which place the sandbox waits, for as long as it does."""
    making = asyncio.create_task(journal.ports.workspace.create(journal.record, gate))
    telling = asyncio.create_task(_tell_places(journal))
    try:
        await asyncio.wait({making, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():  # the session is somebody else's by now
            telling.result()
        return making.result()
    finally:
        for task in (making, telling):
            task.cancel()
        await asyncio.gather(making, telling, return_exceptions=True)


async def _tell_places(journal: Journal) -> None:
    told = 0
    while True:
        await journal.ports.clock.sleep(LOOK_SECONDS)
        place = await journal.ports.workspace.queue_position(journal.record)
        if place != told:
            told = place
            await _tell_place(journal, place)


async def _tell_place(journal: Journal, place: int) -> None:
    changed = StatusChanged(phase=StatusChanged.PHASE_STARTING_SANDBOX, message=STARTING)
    if place:
        words = f"Waiting for a sandbox, {_ordinal(place)} in line"
        changed = StatusChanged(phase=StatusChanged.PHASE_QUEUED, detail_code="sandbox", message=words)
    await journal.append(journal.draft(system=True, status_changed=changed))


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"


def _sandbox_ready(journal: Journal, made: Confinement, took_ms: int) -> Change:
    ready = SandboxChanged(
        sandbox_id=journal.record.sandbox_id,
        state=SandboxChanged.STATE_REBUILT
        if made.workspace_kept and journal.state.cloned
        else SandboxChanged.STATE_READY,
        image=made.image,
        reason=made.level,
        took_ms=took_ms,
        lacks=made.lacks,
        network=made.network,
        allowed_hosts=made.allowed,
        warm=made.warm,
    )
    return Change(drafts=(journal.draft(system=True, sandbox_changed=ready),), confinement=made.level)


async def _finish_left_commands(journal: Journal) -> None:
    """Commands of ours (a clone) that an owner before had started: followed to their end, never started twice."""
    for item_id, started in list(journal.state.open_commands.items()):
        if started.parent_item_id not in journal.state.open_calls:
            await record_command(journal, item_id, started.parent_item_id, started.command_started.command)


async def _clone(journal: Journal, gate: Gate) -> None:
    await enter(journal, StatusChanged.PHASE_CLONING, f"Cloning {gate.full_name}")
    folder = shlex.quote(journal.workdir)
    base = journal.record.repository.base_branch if journal.record.repository else ""
    branch = f"--branch {shlex.quote(base)} " if base else ""
    # A clone that was cut off leaves a folder that is of no use.
    command = f"rm -rf {folder} && git clone {branch}-- {shlex.quote(gate.clone_url)} {folder} && cd {folder}"
    completed = await record_command(journal, new_id("itm"), "", command, timeout_ms=CLONE_TIMEOUT_MS)
    if completed.reason != CommandCompleted.REASON_EXITED or completed.exit_code != 0:
        words = (completed.tail or completed.head).decode(errors="replace").strip()[-600:]
        # A token that was revoked in between says more, and what to do, than git's own words.
        with suppress(ConnectionError):
            await journal.ports.forge.open_gate(journal.record)
        raise ToolFailure("CLONE_FAILED", f"The repository could not be cloned.\n{words}")
    await _checkpoint(journal)


async def _checkpoint(journal: Journal) -> None:
    """What all later changes are compared with."""
    snapshot = await journal.ports.workspace.snapshot(journal.record, journal.workdir, "")
    created = CheckpointCreated(checkpoint_id="base", commit=snapshot.head_commit, tree=snapshot.tree, reason="base")
    await journal.append(journal.draft(key="checkpoint:base", system=True, checkpoint_created=created))


async def _fail(journal: Journal, failure: ToolFailure) -> None:
    message, action = _WORDS.get(failure.reason, (failure.message, Error.USER_ACTION_RETRY))
    sandbox = failure.reason in ("NO_CONFINEMENT", "SANDBOX_UNAVAILABLE") or failure.reason.startswith("IMAGE_")
    error = Error(
        kind=Error.KIND_SANDBOX if sandbox else Error.KIND_PROVIDER,
        code=failure.reason,
        message=message,
        user_action=action,
    )
    await journal.append(journal.draft(system=True, error=error))
    raise PrepareFailed from failure
