"""What the sandbox tells of changed files, in the log's own words."""

from collections.abc import Iterable

from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb
from lucid.sessions.v1.event_pb2 import DiffSnapshot, FileEdited

from services.sessions.domain.work import DiffPart, Restored, Totals


def edited(changes: Iterable[pb.FileChange | spb.FileDiff]) -> tuple[FileEdited, ...]:
    """Changed files."""
    return tuple(map(_edited, changes))


def _edited(change: pb.FileChange | spb.FileDiff) -> FileEdited:
    return FileEdited(
        path=change.path,
        old_path=change.old_path,
        # The enums agree in their numbers (proto files of both services).
        kind=FileEdited.Kind.ValueType(int(change.kind)),
        unified_diff=change.unified_diff,
        added=change.added,
        removed=change.removed,
        binary=change.binary,
        truncated=change.truncated,
    )


def whole_of(diff: spb.BaseDiff, tree: str, base: str) -> DiffSnapshot:
    """All changes since the base; its commit is not known here."""
    files = [
        DiffSnapshot.File(
            path=file.path,
            old_path=file.old_path,
            added=file.added,
            removed=file.removed,
            kind=FileEdited.Kind.ValueType(int(file.kind)),
            binary=file.binary,
        )
        for file in diff.files
    ]
    totals = diff.totals
    return DiffSnapshot(
        files=files,
        added=totals.added,
        removed=totals.removed,
        total_files=totals.files,
        tree=tree,
        base_tree=base,
    )


def part_of(answer: spb.DiffSnapshotsResponse) -> DiffPart:
    """A part of a difference."""
    match answer.WhichOneof("part"):
        case "files":
            return edited(answer.files.files)
        case "patch":
            return answer.patch
        case _:
            return _totals(answer.totals)


def restored_of(answer: spb.RestoreSnapshotResponse) -> Restored:
    """What going back has changed."""
    return Restored(
        answer.tree_before,
        answer.tree,
        answer.head_commit,
        edited(answer.changes),
        _totals(answer.totals),
        tuple(answer.left),
    )


def _totals(totals: spb.DiffTotals) -> Totals:
    return Totals(totals.files, totals.added, totals.removed)
