"""The helper's JSON and our values, both ways."""

from datetime import UTC, datetime
from typing import Any

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends import frames
from services.sandbox.domain.commands import CommandPage, CommandState, CommandView, LogPart
from services.sandbox.domain.errors import ATTACKS, BY_REASON, HelperFailed
from services.sandbox.domain.lifecycle import PackedWork, Repository, RestoredWork
from services.sandbox.domain.models import (
    CreateFile,
    Edited,
    EditOrder,
    Exit,
    ExitReason,
    FileChange,
    RecordedTree,
    ReplaceText,
    Restored,
    Snapshot,
    Started,
    Totals,
)
from services.sandbox.domain.network import BlockedCall, BlockReason

log = get_logger(__name__)


def opened(kind: int, payload: bytes) -> tuple[dict[str, Any], bytes]:
    """An answer's fields and what lies beside them; a refusal is raised."""
    fields, blob = frames.unpack(payload)
    if kind == frames.ERROR:
        if trace := fields.get("trace"):
            log.error("sandbox helper failed", extra={"trace": str(trace)[-2000:]})
        refusal: type[LucidError] = BY_REASON.get(str(fields.get("reason")), HelperFailed)
        if refusal in ATTACKS:
            log.warning("a file call was refused", extra={"reason": refusal.reason, "cause": fields.get("message")})
        raise refusal(str(fields.get("message", "")))
    return fields, blob


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


def command_of(fields: dict[str, Any]) -> CommandView:
    """A command as it is now."""
    ended, count = fields["exit"], fields["processes"]
    state = CommandState.LEFT_RUNNING if count else CommandState.ENDED
    return CommandView(
        command_id=fields["id"],
        command=fields["command"],
        cwd=fields["cwd"],
        state=CommandState.RUNNING if fields["runs"] else state,
        background=fields["background"],
        start_time=datetime.fromtimestamp(fields["at"], UTC) if fields["at"] else None,
        exit=exit_of(ended, b"") if ended else None,
        total_bytes=fields["total"],
        processes=count,
    )


def page_of(fields: dict[str, Any]) -> CommandPage:
    """A page of commands."""
    return CommandPage(tuple(map(command_of, fields["commands"])), fields["next"])


def log_part_of(fields: dict[str, Any], data: bytes) -> LogPart:
    """A part of a command's output."""
    return LogPart(
        data=data,
        offset=fields["offset"],
        total_bytes=fields["total"],
        head_end=fields["head_end"],
        tail_start=fields["tail_start"],
        command=command_of(fields["command"]),
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
    base = fields.get("base")
    return Snapshot(
        tree=fields["tree"],
        head_commit=fields["head"],
        changes=changes_of(fields["changes"]),
        truncated=bool(fields["truncated"]),
        since_base=None if base is None else (changes_of(base["files"]), totals_of(base["totals"])),
    )


def changes_of(changes: list[dict[str, Any]]) -> tuple[FileChange, ...]:
    """Changed files."""
    return tuple(
        FileChange(
            path=change["path"],
            old_path=change["old_path"],
            kind=change["kind"],
            unified_diff=change["diff"],
            added=change["added"],
            removed=change["removed"],
            binary=change["binary"],
            truncated=change["truncated"],
            raw_path=bytes.fromhex(change.get("raw_path", "")),
            raw_old_path=bytes.fromhex(change.get("raw_old_path", "")),
        )
        for change in changes
    )


def totals_of(fields: dict[str, Any]) -> Totals:
    """Of a difference."""
    return Totals(fields["files"], fields["added"], fields["removed"])


def recorded_of(fields: dict[str, Any]) -> RecordedTree:
    """An entry of the list."""
    return RecordedTree(
        number=fields["number"],
        tree=fields["tree"],
        create_time=datetime.fromtimestamp(fields["time"], UTC),
        head_commit=fields["head"],
        head_ref=fields["ref"],
        branches=fields["branches"],
        label=fields["label"],
        kept=fields["kept"],
    )


def restored_of(fields: dict[str, Any]) -> Restored:
    """What a restore has changed."""
    return Restored(
        tree_before=fields["before"],
        tree=fields["tree"],
        head_commit=fields["head"],
        changes=changes_of(fields["changes"]),
        totals=totals_of(fields["totals"]),
        left=tuple(fields["left"]),
        repeated=fields["repeated"],
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


def restored_work_of(fields: dict[str, Any]) -> RestoredWork:
    """What a checkpoint has brought back."""
    return RestoredWork("", int(fields["commits"]), int(fields["files"]), fields["branch"], tuple(fields["failed"]))
