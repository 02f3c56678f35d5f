"""Terminals and the protos."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sandbox.v1 import commands_pb2 as pb

from services.sandbox.domain.terminals import (
    TerminalExit,
    TerminalFrame,
    TerminalOrder,
    TerminalOutput,
    TerminalReason,
    TerminalStarted,
    TerminalView,
    Typing,
)

REASONS = {
    TerminalReason.EXITED: pb.OpenTerminalResponse.Exit.REASON_EXITED,
    TerminalReason.CLOSED: pb.OpenTerminalResponse.Exit.REASON_CLOSED,
    TerminalReason.SANDBOX_LOST: pb.OpenTerminalResponse.Exit.REASON_SANDBOX_LOST,
}


def terminal_from_proto(request: pb.OpenTerminalRequest) -> TerminalOrder:
    """A terminal to open or follow."""
    return TerminalOrder(request.terminal_id, request.columns, request.rows, request.from_offset, request.attach_only)


def terminal_frame_to_proto(frame: TerminalFrame) -> pb.OpenTerminalResponse:
    """What happens in a terminal."""
    if isinstance(frame, TerminalStarted):
        started = pb.OpenTerminalResponse.Started(
            attached=frame.attached, columns=frame.columns, rows=frame.rows, shown_bytes=frame.shown_bytes
        )
        return pb.OpenTerminalResponse(started=started)
    if isinstance(frame, TerminalOutput):
        return pb.OpenTerminalResponse(output=pb.OpenTerminalResponse.Output(offset=frame.offset, data=frame.data))
    return pb.OpenTerminalResponse(exit=_exit_to_proto(frame))


def _exit_to_proto(frame: TerminalExit) -> pb.OpenTerminalResponse.Exit:
    message = pb.OpenTerminalResponse.Exit(reason=REASONS[frame.reason])
    if frame.code is not None:
        message.exit_code = frame.code
    elif frame.signal:
        message.signal = frame.signal
    return message


def typing_from_proto(request: pb.WriteTerminalRequest) -> Typing:
    """What one writer types."""
    return Typing(request.terminal_id, request.writer_id, request.offset, request.data)


def terminals_to_proto(views: Iterable[TerminalView]) -> pb.ListTerminalsResponse:
    """The terminals that are open."""
    return pb.ListTerminalsResponse(terminals=map(_terminal_to_proto, views))


def _terminal_to_proto(view: TerminalView) -> pb.ListTerminalsResponse.Terminal:
    created = Timestamp()
    created.FromDatetime(view.create_time)
    return pb.ListTerminalsResponse.Terminal(
        terminal_id=view.terminal_id,
        columns=view.columns,
        rows=view.rows,
        create_time=created,
        followers=view.followers,
    )
