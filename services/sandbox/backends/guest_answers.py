"""The helper's JSON and our values, both ways."""

from typing import Any

from services.sandbox.domain.lifecycle import PackedWork, Repository, Restored
from services.sandbox.domain.models import (
    CreateFile,
    Edited,
    EditOrder,
    Exit,
    ExitReason,
    FileChange,
    ReplaceText,
    Snapshot,
    Started,
)
from services.sandbox.domain.network import BlockedCall, BlockReason


def note_of(fields: dict[str, Any]) -> Started | BlockedCall:
    """What is told beside a command's output."""
    if (call := fields.get("blocked")) is not None:
        return BlockedCall(call["host"], call["port"], BlockReason(call["reason"]), call["command_id"])
    return Started(cwd=fields["cwd"], attached=fields["attached"])


def exit_of(fields: dict[str, Any], blob: bytes) -> Exit:
    """How a command ended."""
    return Exit(
        reason=ExitReason(fields["reason"]),
        code=fields.get("code"),
        signal=fields.get("signal", ""),
        duration_ms=fields["duration_ms"],
        total_bytes=fields["total"],
        truncated=fields["truncated"],
        head=blob[: fields["head"]],
        tail=blob[fields["head"] :],
        cwd_after=fields["cwd_after"],
        left_running=fields["left_running"],
    )


def edited_of(fields: dict[str, Any]) -> Edited:
    """A file after an edit."""
    return Edited(
        etag=fields["etag"],
        lines=fields["lines"],
        repeated=fields["repeated"],
        unified_diff=fields["diff"],
        added=fields["added"],
        removed=fields["removed"],
        binary=fields["binary"],
        diff_truncated=fields["diff_truncated"],
    )


def edit_request(order: EditOrder) -> tuple[dict[str, Any], bytes]:
    """An edit; its texts go beside the JSON as they are."""
    request: dict[str, Any] = {"op": "edit", "id": order.edit_id, "path": order.path, "epoch": order.epoch}
    change = order.change
    if isinstance(change, CreateFile):
        first, second = change.content.encode(), b""
        request |= {"kind": "create", "overwrite": change.overwrite}
    elif isinstance(change, ReplaceText):
        first, second = change.old_text.encode(), change.new_text.encode()
        request |= {"kind": "replace"}
    else:
        first, second = change.text.encode(), b""
        request |= {"kind": "insert", "after_line": change.after_line}
    return {**request, "split": len(first)}, first + second


def snapshot_of(fields: dict[str, Any]) -> Snapshot:
    """A recorded tree."""
    changes = tuple(
        FileChange(
            path=change["path"],
            old_path=change["old_path"],
            kind=change["kind"],
            unified_diff=change["diff"],
            added=change["added"],
            removed=change["removed"],
            binary=change["binary"],
            truncated=change["truncated"],
        )
        for change in fields["changes"]
    )
    return Snapshot(
        tree=fields["tree"], head_commit=fields["head"], changes=changes, truncated=bool(fields["truncated"])
    )


def packed_of(fields: dict[str, Any]) -> PackedWork:
    """What was packed."""
    return PackedWork(
        size=int(fields["size"]),
        commits=int(fields["commits"]),
        files=int(fields["files"]),
        workspace_id=fields["workspace_id"],
        left_out=tuple(map(str, fields["left_out"])),
        repositories=tuple(Repository(**each) for each in fields["repositories"]),
    )


def restored_of(fields: dict[str, Any]) -> Restored:
    """What a checkpoint has brought back."""
    return Restored("", int(fields["commits"]), int(fields["files"]), fields["branch"], tuple(fields["failed"]))
