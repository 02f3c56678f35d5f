"""Brings a session's ground into being: gate, sandbox, repository, first snapshot. Every step is safe to repeat."""

import asyncio
import shlex
from contextlib import suppress

from lucid.sessions.v1.event_pb2 import (
    CheckpointCreated,
    CommandCompleted,
    Error,
    FileTreeChanged,
    SandboxChanged,
    StatusChanged,
)

from services.rpc.ids import new_id
from services.sessions.agent.commands import record_command
from services.sessions.agent.journal import Journal
from services.sessions.agent.phase import enter
from services.sessions.agent.recovery import close_lost_commands
from services.sessions.agent.sandboxes import transition_key
from services.sessions.agent.setup import is_plain, set_up
from services.sessions.domain.models import Change, Draft, Repository
from services.sessions.domain.state import TRANSITION
from services.sessions.domain.work import Confinement, Gate, RestoredWork, ToolFailure

CLONE_TIMEOUT_MS = 600_000
LOOK_SECONDS = 1.0
STARTING, WAKING = "Starting the sandbox", "Waking the sandbox"
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
        made = await _start_sandbox(journal, gate)
        if journal.state.cloned and _is_empty(journal, made):
            await rebuild(journal, gate, made)
        else:
            await _finish_left_commands(journal)
            if not journal.state.cloned and is_plain(journal):
                journal.meanwhile(_base(journal))
                return
            if not journal.state.cloned:
                await _fill(journal, gate)
        await set_up(journal)
    except ToolFailure as failure:
        await _fail(journal, failure)
    await enter(journal, StatusChanged.PHASE_RUNNING)


async def _base(journal: Journal) -> None:
    """The first snapshot. The model needs nothing of it, but what it answers comes after it."""
    try:
        await record_base(journal)
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


async def _fill(journal: Journal, gate: Gate | None) -> None:
    if gate is not None:
        await clone(journal, gate)
    await record_base(journal)


async def record_base(journal: Journal) -> None:
    """What all later changes are compared with."""
    created = await checkpoint(journal, "base")
    await journal.append(journal.draft(key="checkpoint:base", system=True, checkpoint_created=created))


def _is_empty(journal: Journal, made: Confinement) -> bool:
    """Whether the files of before are gone."""
    filled = journal.state.workspace_id
    if not filled or not made.workspace_id:
        return made.created and not made.workspace_kept
    return filled != made.workspace_id


async def rebuild(journal: Journal, gate: Gate | None, made: Confinement) -> None:
    """Fills a workspace whose files are gone: the repository is cloned again, and what was saved is applied to it."""
    await close_lost_commands(journal)
    key = await clone(journal, gate) if gate is not None else made.workspace_id
    await checkpoint(journal, "base")  # known here too, for who compares with it
    if made.checkpoint_id:
        await _restore(journal, key, made.checkpoint_id)
    created = await checkpoint(journal, "rebuilt")
    name = f"checkpoint:rebuilt:{made.workspace_id or key}"
    reload = FileTreeChanged(reload=True)
    await journal.append(
        journal.draft(key=name, system=True, checkpoint_created=created),
        journal.draft(key=f"{name}:files", system=True, file_tree_changed=reload),
    )


async def _restore(journal: Journal, key: str, checkpoint_id: str) -> None:
    """What is wrong with a checkpoint must not hinder the work: it is told instead."""
    await enter(journal, StatusChanged.PHASE_SETUP, "Bringing back what was not pushed")
    try:
        restored = await journal.ports.workspace.restore_checkpoint(journal.record, key, checkpoint_id)
    except ToolFailure as failure:
        restored = RestoredWork(checkpoint_id, key, 0, 0, failure.message)
    changed = SandboxChanged(
        sandbox_id=journal.record.sandbox_id,
        state=SandboxChanged.STATE_RESTORED,
        reason=restored.failed,
        checkpoint_id=checkpoint_id,
        commits=restored.commits,
        files=restored.files,
    )
    await journal.append(_told(journal, restored.transition_id, changed))


def _told(journal: Journal, transition_id: str, changed: SandboxChanged) -> Draft:
    key = transition_key(transition_id) if transition_id else ""
    labels = {TRANSITION: transition_id} if transition_id else {}
    return journal.draft(key=key, system=True, labels=labels, sandbox_changed=changed)


async def _start_sandbox(journal: Journal, gate: Gate | None) -> Confinement:
    if not journal.state.cloned:
        await enter(journal, StatusChanged.PHASE_STARTING_SANDBOX, STARTING)
    elif journal.state.asleep:
        await enter(journal, StatusChanged.PHASE_RESUMING, WAKING)
    began = journal.ports.clock.monotonic()
    made = await _made(journal, gate)
    took = int((journal.ports.clock.monotonic() - began) * 1000)
    is_news = made.created if not made.transition_id else made.transition_id != journal.state.arrival
    if is_news or not journal.state.cloned:
        await journal.transition(lambda _: _sandbox_ready(journal, made, took))
    return made


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
    if not place and journal.state.cloned:
        changed = StatusChanged(phase=StatusChanged.PHASE_RESUMING, message=WAKING)
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
        state=SandboxChanged.STATE_REBUILT if journal.state.cloned else SandboxChanged.STATE_READY,
        image=made.image,
        reason=made.level,
        took_ms=took_ms,
        lacks=made.lacks,
        workspace_id=made.workspace_id,
        workspace_kept=bool(made.workspace_id) and journal.state.cloned and not _is_empty(journal, made),
        network=made.network,
        allowed_hosts=made.allowed,
        warm=made.warm,
    )
    return Change(drafts=(_told(journal, made.transition_id, ready),), confinement=made.level)


async def _finish_left_commands(journal: Journal) -> None:
    """Commands of ours (a clone) that an owner before had started: followed to their end, never started twice."""
    for item_id, started in list(journal.state.open_commands.items()):
        if started.parent_item_id not in journal.state.open_calls:
            await record_command(journal, item_id, started.parent_item_id, started.command_started.command)


async def clone(journal: Journal, gate: Gate) -> str:
    """Clones the repository in place of what is there; the item's id."""
    await enter(journal, StatusChanged.PHASE_CLONING, f"Cloning {gate.full_name}")
    folder = shlex.quote(journal.workdir)
    base = journal.record.repository.base_branch if journal.record.repository else ""
    branch = f"--branch {shlex.quote(base)} " if base else ""
    # A clone that was cut off leaves a folder that is of no use.
    command = f"rm -rf {folder} && git clone {branch}-- {shlex.quote(gate.clone_url)} {folder} && cd {folder}"
    item_id = new_id("itm")
    completed = await record_command(journal, item_id, "", command, timeout_ms=CLONE_TIMEOUT_MS)
    if completed.reason != CommandCompleted.REASON_EXITED or completed.exit_code != 0:
        words = (completed.tail or completed.head).decode(errors="replace").strip()[-600:]
        # A token that was revoked in between says more, and what to do, than git's own words.
        with suppress(ConnectionError):
            await journal.ports.forge.open_gate(journal.record)
        raise ToolFailure("CLONE_FAILED", f"The repository could not be cloned.\n{words}")
    return item_id


async def checkpoint(journal: Journal, reason: str) -> CheckpointCreated:
    """The tree as it is now."""
    snapshot = await journal.ports.workspace.snapshot(journal.record, journal.workdir, "")
    return CheckpointCreated(checkpoint_id=reason, commit=snapshot.head_commit, tree=snapshot.tree, reason=reason)


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
