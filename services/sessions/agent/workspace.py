"""What an agent's step did to its workspace, as events."""

import asyncio
import hashlib
from collections.abc import Sequence

from lucid.sessions.v1.event_pb2 import (
    BlobRef,
    BranchPushed,
    CheckpointCreated,
    DiffSnapshot,
    FileEdited,
    FileTreeChanged,
)

from services.rpc.ids import new_id
from services.sessions.agent.journal import Journal
from services.sessions.domain.models import Draft
from services.sessions.domain.work import Push, Snapshot, ToolFailure


def rooted(journal: Journal, path: str) -> str:
    """A path as the model gave it, absolute or relative to the repository, for the sandbox."""
    return path if path.startswith("/") or not journal.workdir else f"{journal.workdir}/{path}"


async def changes_since(journal: Journal, item_id: str, via: FileEdited.Via.ValueType) -> tuple[Draft, ...]:
    """One event per file changed since the last known tree, and the pushes since the last one told.

    Keys make the events safe to build again after a crash. Raises ConnectionError.
    """
    snapshot, pushes = await asyncio.gather(_snapshot(journal), _pushes(journal))
    drafts = [] if snapshot is None else _edits(journal, snapshot, item_id, via)
    return (*drafts, *(_pushed(journal, push, item_id) for push in pushes))


async def _snapshot(journal: Journal) -> Snapshot | None:
    try:
        state = journal.state
        return await journal.ports.workspace.snapshot(journal.record, journal.workdir, state.tree, state.base_tree)
    except ToolFailure:
        # E.g. the agent has removed the folder: what cannot be compared is left to the next comparison.
        return None


async def _pushes(journal: Journal) -> list[Push]:
    if journal.record.repository is None:
        return []
    return await journal.ports.forge.pushes(journal.record, journal.state.pushes)


def _edits(journal: Journal, snapshot: Snapshot, item_id: str, via: FileEdited.Via.ValueType) -> list[Draft]:
    before = journal.state.tree
    if not before:
        base = CheckpointCreated(
            checkpoint_id=new_id("chk"), commit=snapshot.head_commit, tree=snapshot.tree, reason="base"
        )
        return [journal.draft(key="checkpoint:base", system=True, checkpoint_created=base)]
    drafts = []
    for change in snapshot.changes:
        payload = step_edit(change, before, snapshot.tree)
        payload.via, payload.cause_item_id = via, item_id
        # Paths may be longer than a key.
        key = f"{item_id}:edit:{hashlib.sha256(change.path.encode()).hexdigest()}"
        drafts.append(journal.draft(key=key, item_id=new_id("itm"), parent=item_id, file_edited=payload))
    listing = tree_changes(snapshot.changes, snapshot.truncated)
    if listing is not None:
        drafts.append(journal.draft(key=f"{item_id}:files", parent=item_id, system=True, file_tree_changed=listing))
    if snapshot.changes and snapshot.whole is not None:
        whole = so_far(journal, snapshot.whole)
        drafts.append(journal.draft(key=f"{item_id}:diff", parent=item_id, system=True, diff_snapshot=whole))
    return drafts


def step_edit(change: FileEdited, before: str, after: str) -> FileEdited:
    """A changed file as a part of the step between two trees."""
    payload = FileEdited()
    payload.CopyFrom(change)
    payload.tree_before, payload.tree_after = before, after
    if change.truncated:
        payload.full_diff.CopyFrom(BlobRef(id=f"{before}..{after}", media_type="text/x-patch"))
    return payload


def tree_changes(changes: Sequence[FileEdited], truncated: bool) -> FileTreeChanged | None:
    """What the explorer has to show anew; None where nothing came or went."""
    if truncated:
        return FileTreeChanged(reload=True)
    added = [c.path for c in changes if c.kind in (FileEdited.KIND_ADDED, FileEdited.KIND_RENAMED)]
    removed = [c.path for c in changes if c.kind == FileEdited.KIND_DELETED]
    removed += [c.old_path for c in changes if c.kind == FileEdited.KIND_RENAMED]
    return FileTreeChanged(added=added, removed=removed) if added or removed else None


def so_far(journal: Journal, whole: DiffSnapshot) -> DiffSnapshot:
    """All changes of the session, with the commit that it began from."""
    payload = DiffSnapshot()
    payload.CopyFrom(whole)
    payload.base_commit = journal.state.base_commit
    return payload


def _pushed(journal: Journal, push: Push, item_id: str) -> Draft:
    payload = BranchPushed(provider=push.provider, repo=push.repo, branch=push.branch, commit=push.commit)
    return journal.draft(
        key=f"push:{push.number}",
        parent=item_id,
        system=True,
        labels={"push": str(push.number)},
        branch_pushed=payload,
    )
