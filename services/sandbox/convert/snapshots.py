"""Our values and the protos: snapshots."""

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.errors import InvalidRequest
from services.rpc.paging import decode_token, encode_token
from services.sandbox.domain.models import (
    DiffForm,
    DiffOrder,
    DiffPart,
    FileChange,
    RecordedTree,
    Restored,
    Snapshot,
    SnapshotOrder,
    Totals,
)

# They become arguments of a program.
MAX_PATHS_BYTES = 100 * 1024
FORMS = {
    spb.DiffSnapshotsRequest.FORM_UNSPECIFIED: DiffForm.FILES,
    spb.DiffSnapshotsRequest.FORM_FILES: DiffForm.FILES,
    spb.DiffSnapshotsRequest.FORM_DIFFS: DiffForm.DIFFS,
    spb.DiffSnapshotsRequest.FORM_PATCH: DiffForm.PATCH,
}


def snapshot_from_proto(request: pb.CreateSnapshotRequest) -> SnapshotOrder:
    """A tree to record."""
    return SnapshotOrder(request.path, request.since_tree, request.base_tree, request.label, request.epoch)


def snapshot_to_proto(snapshot: Snapshot) -> pb.CreateSnapshotResponse:
    """A recorded tree."""
    answer = pb.CreateSnapshotResponse(
        tree=snapshot.tree,
        changes=[_change_to_proto(change) for change in snapshot.changes],
        head_commit=snapshot.head_commit,
        truncated=snapshot.truncated,
    )
    if snapshot.since_base is not None:
        files, totals = snapshot.since_base
        answer.since_base.CopyFrom(spb.BaseDiff(files=map(diff_to_proto, files), totals=totals_to_proto(totals)))
    return answer


def _change_to_proto(change: FileChange) -> pb.FileChange:
    return pb.FileChange(
        path=change.path,
        old_path=change.old_path,
        kind=pb.FileChange.Kind.Value(f"KIND_{change.kind}"),
        unified_diff=change.unified_diff,
        added=change.added,
        removed=change.removed,
        binary=change.binary,
        truncated=change.truncated,
    )


def diff_to_proto(change: FileChange) -> spb.FileDiff:
    """A changed file."""
    return spb.FileDiff(
        path=change.path,
        old_path=change.old_path,
        kind=spb.FileDiff.Kind.Value(f"KIND_{change.kind}"),
        unified_diff=change.unified_diff,
        added=change.added,
        removed=change.removed,
        binary=change.binary,
        truncated=change.truncated,
        raw_path=change.raw_path,
        raw_old_path=change.raw_old_path,
    )


def totals_to_proto(totals: Totals) -> spb.DiffTotals:
    """Of a difference."""
    return spb.DiffTotals(files=totals.files, added=totals.added, removed=totals.removed)


def number_of(token: str) -> int:
    """The number that a page token stands for; 0 without one. Raises InvalidRequest."""
    position = decode_token(token)
    if not position:
        return 0
    number = position.get("n")
    if not isinstance(number, int) or number < 1:
        raise InvalidRequest("page_token is not one of ours.", field="page_token")
    return number


def list_to_proto(recorded: list[RecordedTree], following: int) -> spb.ListSnapshotsResponse:
    """A page."""
    token = encode_token({"n": following}) if following else ""
    return spb.ListSnapshotsResponse(snapshots=map(_recorded_to_proto, recorded), next_page_token=token)


def _recorded_to_proto(recorded: RecordedTree) -> spb.Snapshot:
    created = Timestamp()
    created.FromDatetime(recorded.create_time)
    return spb.Snapshot(
        number=recorded.number,
        tree=recorded.tree,
        create_time=created,
        head_commit=recorded.head_commit,
        head_ref=_text(recorded.head_ref),
        branches={_text(name): commit for name, commit in recorded.branches.items()},
        label=recorded.label,
        kept=recorded.kept,
    )


def _text(name: str) -> str:
    """A name of git as a proto's string may hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def diff_from_proto(request: spb.DiffSnapshotsRequest) -> DiffOrder:
    """Two trees to compare. Raises InvalidRequest for paths that no program could be given."""
    if any(b"\0" in path for path in request.paths):
        raise InvalidRequest("paths: no NUL.", field="paths")
    if sum(map(len, request.paths)) > MAX_PATHS_BYTES:
        raise InvalidRequest(f"paths: at most {MAX_PATHS_BYTES} bytes together.", field="paths")
    form = FORMS.get(request.form)
    if form is None:
        raise InvalidRequest("form: not one of those that there are.", field="form")
    return DiffOrder(request.path, request.from_tree, request.to_tree, tuple(request.paths), form)


def part_to_proto(part: DiffPart) -> spb.DiffSnapshotsResponse:
    """A part of a difference."""
    if isinstance(part, bytes):
        return spb.DiffSnapshotsResponse(patch=part)
    if isinstance(part, Totals):
        return spb.DiffSnapshotsResponse(totals=totals_to_proto(part))
    return spb.DiffSnapshotsResponse(files=spb.DiffSnapshotsResponse.Files(files=map(diff_to_proto, part)))


def restored_to_proto(restored: Restored) -> spb.RestoreSnapshotResponse:
    """What a restore has changed."""
    return spb.RestoreSnapshotResponse(
        tree_before=restored.tree_before,
        tree=restored.tree,
        head_commit=restored.head_commit,
        changes=map(diff_to_proto, restored.changes),
        totals=totals_to_proto(restored.totals),
        left=restored.left,
        repeated_call=restored.repeated,
    )
