"""Commands and terminals."""

import contextlib
from collections.abc import AsyncIterator

from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.sandbox import convert
from services.sandbox.convert import commands, terminals
from services.sandbox.ports import Ports
from services.sandbox.servicer.caller import Context, user_id
from services.sandbox.usecases.attach_command import attach_command
from services.sandbox.usecases.close_stdin import close_stdin
from services.sandbox.usecases.close_terminal import close_terminal
from services.sandbox.usecases.list_commands import list_commands
from services.sandbox.usecases.list_terminals import list_terminals
from services.sandbox.usecases.open_terminal import open_terminal
from services.sandbox.usecases.read_command_log import read_command_log
from services.sandbox.usecases.resize_terminal import resize_terminal
from services.sandbox.usecases.run_command import run_command
from services.sandbox.usecases.signal_command import signal_command
from services.sandbox.usecases.stop_command import stop_command
from services.sandbox.usecases.write_stdin import write_stdin
from services.sandbox.usecases.write_terminal import write_terminal


class CommandRpcs:
    """A part of SandboxService."""

    _ports: Ports

    async def RunCommand(self, request: pb.RunCommandRequest, context: Context) -> AsyncIterator[pb.RunCommandResponse]:
        """See the proto."""
        order = convert.command_from_proto(request)
        frames = run_command(self._ports, user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield convert.frame_to_proto(frame)

    async def StopCommand(self, request: pb.StopCommandRequest, context: Context) -> pb.StopCommandResponse:
        """See the proto."""
        ended = await stop_command(self._ports, user_id(), request.sandbox_id, request.command_id)
        return pb.StopCommandResponse(ended=ended)

    async def AttachCommand(
        self, request: cpb.AttachCommandRequest, context: Context
    ) -> AsyncIterator[pb.AttachCommandResponse]:
        """See the proto."""
        frames = attach_command(self._ports, user_id(), request.sandbox_id, request.command_id, request.from_offset)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield commands.attached_to_proto(frame)

    async def WriteStdin(self, request: cpb.WriteStdinRequest, context: Context) -> cpb.WriteStdinResponse:
        """See the proto."""
        order = commands.input_from_proto(request)
        accepted = await write_stdin(self._ports, user_id(), request.sandbox_id, order)
        return cpb.WriteStdinResponse(accepted=accepted)

    async def CloseStdin(self, request: cpb.CloseStdinRequest, context: Context) -> cpb.CloseStdinResponse:
        """See the proto."""
        await close_stdin(self._ports, user_id(), request.sandbox_id, request.command_id, request.epoch)
        return cpb.CloseStdinResponse()

    async def SignalCommand(self, request: cpb.SignalCommandRequest, context: Context) -> cpb.SignalCommandResponse:
        """See the proto."""
        order = commands.signal_from_proto(request)
        signalled = await signal_command(self._ports, user_id(), request.sandbox_id, order)
        return cpb.SignalCommandResponse(signalled=signalled)

    async def ListCommands(self, request: cpb.ListCommandsRequest, context: Context) -> pb.ListCommandsResponse:
        """See the proto."""
        page = await list_commands(
            self._ports, user_id(), request.sandbox_id, request.page_size, request.page_token, request.active_only
        )
        return commands.page_to_proto(page)

    async def ReadCommandLog(self, request: cpb.ReadCommandLogRequest, context: Context) -> pb.ReadCommandLogResponse:
        """See the proto."""
        query = commands.log_query_from_proto(request)
        part = await read_command_log(self._ports, user_id(), request.sandbox_id, query)
        return commands.log_part_to_proto(part)

    async def OpenTerminal(
        self, request: cpb.OpenTerminalRequest, context: Context
    ) -> AsyncIterator[cpb.OpenTerminalResponse]:
        """See the proto."""
        order = terminals.terminal_from_proto(request)
        frames = open_terminal(self._ports, user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield terminals.terminal_frame_to_proto(frame)

    async def WriteTerminal(self, request: cpb.WriteTerminalRequest, context: Context) -> cpb.WriteTerminalResponse:
        """See the proto."""
        typing = terminals.typing_from_proto(request)
        accepted = await write_terminal(self._ports, user_id(), request.sandbox_id, typing)
        return cpb.WriteTerminalResponse(accepted=accepted)

    async def ResizeTerminal(self, request: cpb.ResizeTerminalRequest, context: Context) -> cpb.ResizeTerminalResponse:
        """See the proto."""
        size = (request.columns, request.rows)
        await resize_terminal(self._ports, user_id(), request.sandbox_id, request.terminal_id, *size)
        return cpb.ResizeTerminalResponse()

    async def CloseTerminal(self, request: cpb.CloseTerminalRequest, context: Context) -> cpb.CloseTerminalResponse:
        """See the proto."""
        await close_terminal(self._ports, user_id(), request.sandbox_id, request.terminal_id)
        return cpb.CloseTerminalResponse()

    async def ListTerminals(self, request: cpb.ListTerminalsRequest, context: Context) -> cpb.ListTerminalsResponse:
        """See the proto."""
        return terminals.terminals_to_proto(await list_terminals(self._ports, user_id(), request.sandbox_id))
