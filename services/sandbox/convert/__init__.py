"""Our values and the protos."""

from collections.abc import Mapping
from datetime import timedelta

from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.errors import InvalidRequest
from services.sandbox.convert.lifecycle import time_to_proto
from services.sandbox.convert.network import blocked_to_proto, network_to_proto
from services.sandbox.domain.models import (
    Change,
    CommandOrder,
    Confinement,
    CreateFile,
    EditOrder,
    Exit,
    ExitReason,
    FileChange,
    Frame,
    InsertLines,
    Output,
    ReplaceText,
    SandboxView,
    Snapshot,
    Started,
    State,
)
from services.sandbox.domain.network import BlockedCall

STATES = {
    State.STARTING: pb.Sandbox.STATE_STARTING,
    State.READY: pb.Sandbox.STATE_READY,
    State.LOST: pb.Sandbox.STATE_LOST,
    State.PAUSED: pb.Sandbox.STATE_PAUSED,
    State.HIBERNATED: pb.Sandbox.STATE_HIBERNATED,
}
CONFINEMENTS = {
    Confinement.DOCKER: pb.Sandbox.CONFINEMENT_DOCKER,
    Confinement.BUBBLEWRAP: pb.Sandbox.CONFINEMENT_BUBBLEWRAP,
    Confinement.PROCESS: pb.Sandbox.CONFINEMENT_PROCESS,
}
REASONS = {
    ExitReason.EXITED: pb.RunCommandResponse.Exit.REASON_EXITED,
    ExitReason.TIMEOUT: pb.RunCommandResponse.Exit.REASON_TIMEOUT,
    ExitReason.STOPPED: pb.RunCommandResponse.Exit.REASON_STOPPED,
    ExitReason.OOM: pb.RunCommandResponse.Exit.REASON_OOM,
    ExitReason.SANDBOX_LOST: pb.RunCommandResponse.Exit.REASON_SANDBOX_LOST,
}
MAX_ENV_BYTES = 64 * 1024


def sandbox_to_proto(view: SandboxView) -> pb.Sandbox:
    """One sandbox."""
    sandbox = view.sandbox
    return pb.Sandbox(
        sandbox_id=sandbox.sandbox_id,
        owner_id=sandbox.owner_id,
        session_id=sandbox.session_id,
        state=STATES[view.state],
        confinement=CONFINEMENTS[sandbox.confinement],
        image=sandbox.image,
        workspace=view.workspace,
        create_time=time_to_proto(sandbox.create_time),
        workspace_id=sandbox.workspace_id,
        network=network_to_proto(sandbox.network),
    )


def env_from_proto(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables for every command. Raises InvalidRequest for what no process could be given."""
    env = dict(variables)
    if any(not name or "=" in name or "\0" in name + value for name, value in env.items()):
        raise InvalidRequest("env: names without '=', and no NUL anywhere.", field="env")
    if sum(len(name) + len(value) for name, value in env.items()) > MAX_ENV_BYTES:
        raise InvalidRequest(f"env: at most {MAX_ENV_BYTES} bytes.", field="env")
    return env


def session_id_from_proto(request: pb.CreateSandboxRequest) -> str:
    """The session. Raises InvalidRequest for what would break the line that tells the git gate whose bytes follow."""
    if not request.session_id.replace("_", "").replace("-", "").isalnum() or not request.session_id.isascii():
        raise InvalidRequest("session_id: letters, digits, '_' and '-'.", field="session_id")
    return request.session_id


def git_config_from_proto(request: pb.CreateSandboxRequest) -> tuple[tuple[str, str], ...]:
    """Lines of git's configuration. Raises InvalidRequest for a key that git could not read."""
    for entry in request.git_config:
        section, _, name = entry.key.partition(".")[0], "", entry.key.rpartition(".")[2]
        legal = section.replace("-", "").isalnum() and name.replace("-", "").isalnum() and "." in entry.key
        if not legal or "\n" in entry.key or "\0" in entry.key + entry.value:
            raise InvalidRequest(f"git_config: {entry.key!r} is not a key of git.", field="git_config")
    return tuple((entry.key, entry.value) for entry in request.git_config)


def command_from_proto(request: pb.RunCommandRequest) -> CommandOrder:
    """A command to start or follow."""
    if "\0" in request.command or "\0" in request.cwd:
        raise InvalidRequest("command and cwd hold no NUL.", field="command")
    return CommandOrder(
        command_id=request.command_id,
        command=request.command,
        timeout=timedelta(milliseconds=request.timeout_ms).total_seconds(),
        cwd=request.cwd,
        from_offset=request.from_offset,
        attach_only=request.attach_only,
        epoch=request.epoch,
    )


def frame_to_proto(frame: Frame) -> pb.RunCommandResponse:
    """What happens to a command."""
    if isinstance(frame, Started):
        started = pb.RunCommandResponse.Started(cwd=frame.cwd, attached=frame.attached)
        return pb.RunCommandResponse(started=started)
    if isinstance(frame, Output):
        output = pb.RunCommandResponse.Output(offset=frame.offset, data=frame.data)
        return pb.RunCommandResponse(output=output)
    if isinstance(frame, BlockedCall):
        return pb.RunCommandResponse(blocked=blocked_to_proto(frame))
    return pb.RunCommandResponse(exit=_exit_to_proto(frame))


def _exit_to_proto(frame: Exit) -> pb.RunCommandResponse.Exit:
    message = pb.RunCommandResponse.Exit(
        reason=REASONS[frame.reason],
        duration_ms=frame.duration_ms,
        total_bytes=frame.total_bytes,
        truncated=frame.truncated,
        head=frame.head,
        tail=frame.tail,
        cwd_after=frame.cwd_after,
        left_running=frame.left_running,
    )
    if frame.code is not None:
        message.exit_code = frame.code
    elif frame.signal:
        message.signal = frame.signal
    return message


def edit_from_proto(request: pb.EditFileRequest) -> EditOrder:
    """An edit. Raises InvalidRequest where it says nothing to do."""
    change: Change
    match request.WhichOneof("edit"):
        case "create":
            change = CreateFile(request.create.content, request.create.overwrite)
        case "replace":
            change = ReplaceText(request.replace.old_text, request.replace.new_text)
        case "insert":
            change = InsertLines(request.insert.after_line, request.insert.text)
        case _:
            raise InvalidRequest("edit: one of create, replace, insert.", field="edit")
    return EditOrder(edit_id=request.edit_id, path=request.path, change=change, epoch=request.epoch)


def snapshot_to_proto(snapshot: Snapshot) -> pb.CreateSnapshotResponse:
    """A recorded tree."""
    return pb.CreateSnapshotResponse(
        tree=snapshot.tree,
        changes=[_change_to_proto(change) for change in snapshot.changes],
        head_commit=snapshot.head_commit,
        truncated=snapshot.truncated,
    )


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


def confinement_to_proto(confinement: Confinement | None) -> pb.Sandbox.Confinement.ValueType:
    """Unspecified where there is none."""
    return pb.Sandbox.CONFINEMENT_UNSPECIFIED if confinement is None else CONFINEMENTS[confinement]
