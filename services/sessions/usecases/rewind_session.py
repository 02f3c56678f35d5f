"""Puts the files of a session back to an earlier step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import SOURCE_USER, CheckpointCreated, Event, FileEdited

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sessions.agent.journal import Journal
from services.sessions.agent.rewinding import REWIND
from services.sessions.agent.workspace import so_far, step_edit, tree_changes
from services.sessions.domain.errors import SessionAtWork, StepNotFound
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.work import Restored, ToolFailure
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned
from services.sessions.usecases.trees import from_sandbox, tree_at, workdir

# Often enough for the shortest lease.
RENEW_SECONDS = 0.4


@dataclass(frozen=True)
class RewindOrder:
    """Where to: an event, or a checkpoint by its id. `key`: once, whoever asks again."""

    key: str
    seq: int = 0
    checkpoint_id: str = ""


async def rewind_session(ports: Ports, caller: str, session_id: str, order: RewindOrder) -> Event:
    """The event that tells of it: CheckpointCreated. The session is owned meanwhile as an agent at work owns it.

    Raises SessionNotFound, StepNotFound, SessionAtWork, FilesGone, SandboxAway.
    """
    record = await owned(ports, caller, session_id)
    done = await ports.store.find(session_id, _key(order))
    if done is not None:
        return done
    tree = await _tree(ports, record, order)
    async with _held(ports, session_id) as journal:
        restored = await _restore(journal, order, tree)
        drafts = await _told(journal, order, restored)
        stored = await journal.append(*drafts)
    return next(event for event in stored if event.checkpoint_created.reason == REWIND)


def _key(order: RewindOrder) -> str:
    return f"rewind:{order.key}"


async def _tree(ports: Ports, record: SessionRecord, order: RewindOrder) -> str:
    if not order.checkpoint_id:
        return await tree_at(ports, record, order.seq)
    event = await ports.store.find(record.session_id, f"checkpoint:{order.checkpoint_id}")
    if event is None and order.checkpoint_id.startswith("rewind-"):
        event = await ports.store.find(record.session_id, "rewind:" + order.checkpoint_id.removeprefix("rewind-"))
    if event is None or not event.checkpoint_created.tree:
        raise StepNotFound
    return event.checkpoint_created.tree


@contextlib.asynccontextmanager
async def _held(ports: Ports, session_id: str) -> AsyncIterator[Journal]:
    """Nobody else owns the session while the block runs. Raises SessionAtWork."""
    worker = new_id("rwd")
    record = await ports.store.take(worker, session_id)
    if record is None:
        raise SessionAtWork
    journal = Journal(ports, record)
    renewing = asyncio.create_task(_renew(ports, worker, session_id))
    try:
        journal.workdir = workdir(record)
        await journal.load()
        yield journal
    finally:
        renewing.cancel()
        with contextlib.suppress(LucidError):
            await journal.transition(lambda _: Change(release_lease=True))
        # A message that has come meanwhile waits for an owner.
        ports.signals.wanted()


async def _renew(ports: Ports, worker: str, session_id: str) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        with contextlib.suppress(LucidError):
            await ports.store.renew(worker, [session_id])


async def _restore(journal: Journal, order: RewindOrder, tree: str) -> Restored:
    """A sandbox that was taken down is brought back first."""
    workspace, record = journal.ports.workspace, journal.record
    with from_sandbox():
        try:
            return await workspace.restore(record, order.key, journal.workdir, tree)
        except ConnectionError:
            gate = await journal.ports.forge.open_gate(record) if record.repository is not None else None
            await workspace.create(record, gate)
            return await workspace.restore(record, order.key, journal.workdir, tree)


async def _told(journal: Journal, order: RewindOrder, restored: Restored) -> list[Draft]:
    """How it was before, what was changed, the checkpoint, and what the session has changed in all by now."""
    before = CheckpointCreated(
        checkpoint_id=f"before-{order.key}",
        commit=restored.head_commit,
        tree=restored.tree_before,
        reason="before_rewind",
    )
    now = CheckpointCreated(
        checkpoint_id=f"rewind-{order.key}",
        commit=restored.head_commit,
        tree=restored.tree,
        reason=REWIND,
        files=restored.totals.files,
        rewound_to_seq=order.seq,
        left=restored.left,
    )
    drafts = [_draft(Event(checkpoint_created=before), f"checkpoint:{before.checkpoint_id}")]
    for number, change in enumerate(restored.changes):
        payload = step_edit(change, restored.tree_before, restored.tree)
        payload.via = FileEdited.VIA_REWIND
        drafts.append(_draft(Event(item_id=new_id("itm"), file_edited=payload), f"{_key(order)}:{number}"))
    listing = tree_changes(restored.changes, restored.totals.files > len(restored.changes))
    if listing is not None:
        drafts.append(_draft(Event(file_tree_changed=listing), f"{_key(order)}:files"))
    drafts.append(_draft(Event(checkpoint_created=now), _key(order)))
    return drafts + await _whole(journal, order, restored.tree)


async def _whole(journal: Journal, order: RewindOrder, tree: str) -> list[Draft]:
    with contextlib.suppress(ToolFailure, ConnectionError):
        snapshot = await journal.ports.workspace.snapshot(
            journal.record, journal.workdir, tree, journal.state.base_tree
        )
        if snapshot.whole is not None:
            return [_draft(Event(diff_snapshot=so_far(journal, snapshot.whole)), f"{_key(order)}:diff")]
    return []


def _draft(event: Event, key: str) -> Draft:
    event.source = SOURCE_USER
    return Draft(event, key)
