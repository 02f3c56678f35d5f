"""Commands that were started, and the protos."""

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.sandbox.convert import exit_to_proto
from services.sandbox.convert.network import blocked_to_proto
from services.sandbox.domain.commands import (
    CommandPage,
    CommandState,
    CommandView,
    InputOrder,
    LogPart,
    LogQuery,
    SignalOrder,
)
from services.sandbox.domain.models import Frame, Output, Started
from services.sandbox.domain.network import BlockedCall

STATES = {
    CommandState.RUNNING: pb.Command.STATE_RUNNING,
    CommandState.LEFT_RUNNING: pb.Command.STATE_LEFT_RUNNING,
    CommandState.ENDED: pb.Command.STATE_ENDED,
}


def attached_to_proto(frame: Frame) -> pb.AttachCommandResponse:
    """What happens to a command that is followed."""
    if isinstance(frame, Started):
        started = pb.RunCommandResponse.Started(cwd=frame.cwd, attached=frame.attached)
        return pb.AttachCommandResponse(started=started)
    if isinstance(frame, Output):
        output = pb.RunCommandResponse.Output(offset=frame.offset, data=frame.data)
        return pb.AttachCommandResponse(output=output)
    if isinstance(frame, BlockedCall):
        return pb.AttachCommandResponse(blocked=blocked_to_proto(frame))
    return pb.AttachCommandResponse(exit=exit_to_proto(frame))


def input_from_proto(request: cpb.WriteStdinRequest) -> InputOrder:
    """Bytes for a standard input."""
    return InputOrder(request.command_id, request.offset, request.data, request.epoch)


def signal_from_proto(request: cpb.SignalCommandRequest) -> SignalOrder:
    """A signal for a command."""
    name = cpb.SignalCommandRequest.Signal.Name(request.signal).removeprefix("SIGNAL_")
    return SignalOrder(request.command_id, request.request_id, name, request.epoch)


def page_to_proto(page: CommandPage) -> pb.ListCommandsResponse:
    """A page of commands."""
    return pb.ListCommandsResponse(commands=map(_command_to_proto, page.commands), next_page_token=page.next_token)


def log_query_from_proto(request: cpb.ReadCommandLogRequest) -> LogQuery:
    """Which part of a command's output."""
    return LogQuery(
        command_id=request.command_id,
        offset=request.offset,
        limit=request.limit,
        last_bytes=request.last_bytes,
        wait=request.wait_ms / 1000,
    )


def log_part_to_proto(part: LogPart) -> pb.ReadCommandLogResponse:
    """A part of a command's output."""
    return pb.ReadCommandLogResponse(
        data=part.data,
        offset=part.offset,
        total_bytes=part.total_bytes,
        head_end=part.head_end,
        tail_start=part.tail_start,
        command=_command_to_proto(part.command),
    )


def _command_to_proto(view: CommandView) -> pb.Command:
    message = pb.Command(
        command_id=view.command_id,
        command=view.command,
        cwd=view.cwd,
        state=STATES[view.state],
        background=view.background,
        exit=None if view.exit is None else exit_to_proto(view.exit),
        total_bytes=view.total_bytes,
        processes=view.processes,
    )
    if view.start_time is not None:
        started = Timestamp()
        started.FromDatetime(view.start_time)
        message.start_time.CopyFrom(started)
    return message
