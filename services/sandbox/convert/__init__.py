"""Our values and the protos."""

from collections.abc import Mapping
from datetime import timedelta

from lucid.sandbox.v1 import pool_pb2
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
    Frame,
    InsertLines,
    Output,
    ReplaceText,
    SandboxView,
    Started,
    State,
    Stats,
    Watched,
)
from services.sandbox.domain.network import BlockedCall
from services.sandbox.domain.pool import PoolStatus, StartsStatus

STATES = {
    State.STARTING: pb.Sandbox.STATE_STARTING,
    State.READY: pb.Sandbox.STATE_READY,
    State.LOST: pb.Sandbox.STATE_LOST,
    State.QUEUED: pb.Sandbox.STATE_QUEUED,
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
    ExitReason.DETACHED: pb.RunCommandResponse.Exit.REASON_DETACHED,
    ExitReason.LIMIT: pb.RunCommandResponse.Exit.REASON_LIMIT,
    ExitReason.DISK: pb.RunCommandResponse.Exit.REASON_DISK,
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
        lacks=view.lacks,
        workspace_id=sandbox.workspace_id,
        network=network_to_proto(sandbox.network),
        queue_position=view.queue_position,
    )


def pool_to_proto(pool: PoolStatus, starts: StartsStatus) -> pool_pb2.Pool:
    """What is made beforehand, and who waits."""
    return pool_pb2.Pool(
        size=pool.size,
        ready=pool.ready,
        making=pool.making,
        claimed=pool.claimed,
        starting=starts.starting,
        waiting=starts.waiting,
        starts_at_once=starts.at_once,
        limit=starts.limit,
    )


def watched_to_proto(watched: Watched) -> pb.WatchSandboxesResponse:
    """What has changed of a caller's sandboxes."""
    return pb.WatchSandboxesResponse(
        sandboxes=map(sandbox_to_proto, watched.views),
        gone=watched.gone,
        revision=watched.revision,
        whole=watched.whole,
    )


def stats_to_proto(stats: Stats) -> pool_pb2.GetStatsResponse:
    """What a sandbox uses."""
    return pool_pb2.GetStatsResponse(
        cpu_ms=stats.cpu_ms,
        memory_bytes=stats.memory,
        memory_limit_bytes=stats.memory_limit,
        processes=stats.processes,
        processes_limit=stats.processes_limit,
        disk_total_bytes=stats.disk_total,
        disk_free_bytes=stats.disk_free,
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
        stdin=request.stdin,
        background=request.background,
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
    return pb.RunCommandResponse(exit=exit_to_proto(frame))


def exit_to_proto(frame: Exit) -> pb.RunCommandResponse.Exit:
    """How a command ended."""
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
