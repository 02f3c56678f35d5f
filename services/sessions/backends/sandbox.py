"""The Workspace port over the sandbox service."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache

from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sessions.v1.event_pb2 import CommandCompleted, FileEdited

from services.rpc.identity import service_metadata
from services.sandbox.client import SandboxClient
from services.sessions.backends.remote import refusals
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import (
    CommandBegun,
    CommandEnded,
    CommandFrame,
    CommandOutput,
    Confinement,
    CreateFile,
    FileContent,
    FileEdit,
    Gate,
    ReplaceText,
    Snapshot,
)

AUTHOR = "Lucid AI"
AUTHOR_EMAIL = "agent@lucid.ai"
_LEVELS = {
    pb.Sandbox.CONFINEMENT_DOCKER: "docker",
    pb.Sandbox.CONFINEMENT_BUBBLEWRAP: "bubblewrap",
    pb.Sandbox.CONFINEMENT_PROCESS: "process",
}


class SandboxWorkspace:
    """Acts for a session's owner with the internal key."""

    def __init__(self, client: SandboxClient, internal_key: str) -> None:
        self._for_owner = lru_cache(maxsize=256)(
            lambda owner_id: client.acting_as(service_metadata(internal_key, owner_id))
        )

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        """Makes the sandbox, or brings it back on its kept workspace."""
        request = pb.CreateSandboxRequest(
            sandbox_id=record.sandbox_id,
            owner_id=record.owner_id,
            session_id=record.session_id,
            git_config=[pb.GitConfigEntry(key=key, value=value) for key, value in _git_config(record, gate)],
            epoch=record.lease_epoch,
        )
        # A sandbox that cannot be made says why: that is for the person, not something to wait for in silence.
        with refusals("SANDBOX_UNAVAILABLE"):
            answer = await self._for_owner(record.owner_id).create_sandbox(request)
        made = answer.sandbox
        return Confinement(_LEVELS.get(made.confinement, ""), made.image, made.workspace, answer.workspace_kept)

    async def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = ""
    ) -> AsyncGenerator[CommandFrame, None]:
        """Starts a command at most once per key, or attaches to it."""
        request = pb.RunCommandRequest(
            sandbox_id=record.sandbox_id,
            command_id=key,
            command=command,
            timeout_ms=timeout_ms,
            cwd=cwd,
            epoch=record.lease_epoch,
        )
        with refusals():
            async with aclosing(self._for_owner(record.owner_id).run_command(request)) as frames:
                async for frame in frames:
                    yield _frame(frame)

    async def stop(self, record: SessionRecord, key: str) -> None:
        """Ends a command, or all of them, with every process it started."""
        request = pb.StopCommandRequest(sandbox_id=record.sandbox_id, command_id=key)
        with refusals():
            await self._for_owner(record.owner_id).stop_command(request)

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        """A file or a range of it."""
        request = pb.ReadFileRequest(sandbox_id=record.sandbox_id, path=path, offset=offset, limit=limit)
        with refusals():
            answer = await self._for_owner(record.owner_id).read_file(request)
        return FileContent(answer.data, answer.size)

    async def edit(self, record: SessionRecord, key: str, path: str, edit: FileEdit) -> None:
        """Changes a file at most once per key."""
        request = pb.EditFileRequest(sandbox_id=record.sandbox_id, edit_id=key, path=path, epoch=record.lease_epoch)
        if isinstance(edit, CreateFile):
            request.create.content, request.create.overwrite = edit.content, edit.overwrite
            request.create.SetInParent()
        elif isinstance(edit, ReplaceText):
            request.replace.old_text, request.replace.new_text = edit.old_text, edit.new_text
        else:
            request.insert.after_line, request.insert.text = edit.after_line, edit.text
            request.insert.SetInParent()
        with refusals():
            await self._for_owner(record.owner_id).edit_file(request)

    async def snapshot(self, record: SessionRecord, path: str, since: str) -> Snapshot:
        """The tree under `path` and what changed since an earlier tree."""
        request = pb.CreateSnapshotRequest(
            sandbox_id=record.sandbox_id, path=path, since_tree=since, epoch=record.lease_epoch
        )
        with refusals():
            answer = await self._for_owner(record.owner_id).create_snapshot(request)
        return Snapshot(answer.tree, tuple(_change(change) for change in answer.changes), answer.head_commit)

    async def delete(self, record: SessionRecord) -> None:
        """Removes sandbox and workspace; one that was never made is gone already."""
        with refusals():
            await self._for_owner(record.owner_id).delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=record.sandbox_id))


def _git_config(record: SessionRecord, gate: Gate | None) -> tuple[tuple[str, str], ...]:
    own = (
        ("user.name", record.git_user_name or AUTHOR),
        ("user.email", record.git_user_email or AUTHOR_EMAIL),
        ("init.defaultBranch", "main"),
        ("core.pager", "cat"),
    )
    return own + (gate.git_config if gate is not None else ())


def _frame(frame: pb.RunCommandResponse) -> CommandFrame:
    if frame.HasField("started"):
        return CommandBegun(frame.started.cwd, frame.started.attached)
    if frame.HasField("output"):
        return CommandOutput(frame.output.offset, frame.output.data)
    exit_ = frame.exit
    completed = CommandCompleted(
        # The two enums carry the same values; contract tests hold them together.
        reason=CommandCompleted.Reason.ValueType(exit_.reason),
        duration_ms=exit_.duration_ms,
        total_bytes=exit_.total_bytes,
        truncated=exit_.truncated,
        head=exit_.head,
        tail=exit_.tail,
        cwd_after=exit_.cwd_after,
    )
    if exit_.HasField("exit_code"):
        completed.exit_code = exit_.exit_code
    elif exit_.HasField("signal"):
        completed.signal = exit_.signal
    return CommandEnded(completed, exit_.left_running)


def _change(change: pb.FileChange) -> FileEdited:
    return FileEdited(
        path=change.path,
        old_path=change.old_path,
        kind=FileEdited.Kind.ValueType(change.kind),
        unified_diff=change.unified_diff,
        added=change.added,
        removed=change.removed,
        binary=change.binary,
        truncated=change.truncated,
    )
