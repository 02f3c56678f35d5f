"""The sandbox service as other services call it."""

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

import grpc
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import images_pb2, pool_pb2, sandbox_pb2_grpc
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.channels import unary
from services.rpc.identity import Metadata
from services.rpc.retry import RETRY_ATTEMPTS, backoff
from services.rpc.status import from_rpc_error

CALL_SECONDS = 30.0
QUEUE_SECONDS = 1800.0
LONG_SECONDS = 180.0
PACK_SECONDS = 900.0
Response = TypeVar("Response")


class SandboxClient:
    """Typed calls with deadlines; UNAVAILABLE is tried again, every method being safe to repeat. Raises RemoteError."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata = ()) -> None:
        self._channel = channel
        self._metadata = metadata
        # The generated stub is one class for both kinds of channel; its async face exists in the type stubs only.
        self._stub: sandbox_pb2_grpc.SandboxServiceAsyncStub = sandbox_pb2_grpc.SandboxServiceStub(channel)

    def acting_as(self, metadata: Metadata) -> "SandboxClient":
        """The same with another identity: `user_metadata(...)` or `service_metadata(...)`."""
        return SandboxClient(self._channel, metadata)

    async def create_sandbox(
        self, request: pb.CreateSandboxRequest, seconds: float = QUEUE_SECONDS
    ) -> pb.CreateSandboxResponse:
        """See the proto. It may have to wait its turn: with the default deadline for half an hour."""
        return await unary(lambda: self._stub.CreateSandbox(request, timeout=seconds, metadata=self._metadata))

    async def configure_sandbox(
        self, request: images_pb2.ConfigureSandboxRequest
    ) -> images_pb2.ConfigureSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ConfigureSandbox(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def list_images(self, request: images_pb2.ListImagesRequest) -> images_pb2.ListImagesResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListImages(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def get_sandbox(self, request: pb.GetSandboxRequest) -> pb.GetSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.GetSandbox(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def delete_sandbox(self, request: pb.DeleteSandboxRequest) -> pb.DeleteSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.DeleteSandbox(request, timeout=LONG_SECONDS, metadata=self._metadata))

    def run_command(self, request: pb.RunCommandRequest) -> AsyncGenerator[pb.RunCommandResponse, None]:
        """See the proto. A broken stream is taken up again from the last byte that came; Started comes once."""
        return resumed(self._stub.RunCommand, request, self._metadata)

    def attach_command(self, request: cpb.AttachCommandRequest) -> AsyncGenerator[pb.AttachCommandResponse, None]:
        """See the proto. Resumed as `run_command` is."""
        return resumed(self._stub.AttachCommand, request, self._metadata)

    def open_terminal(self, request: cpb.OpenTerminalRequest) -> AsyncGenerator[cpb.OpenTerminalResponse, None]:
        """See the proto. Resumed as `run_command` is."""
        return resumed(self._stub.OpenTerminal, request, self._metadata)

    async def write_stdin(self, request: cpb.WriteStdinRequest) -> cpb.WriteStdinResponse:
        """See the proto."""
        return await unary(lambda: self._stub.WriteStdin(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def close_stdin(self, request: cpb.CloseStdinRequest) -> cpb.CloseStdinResponse:
        """See the proto."""
        return await unary(lambda: self._stub.CloseStdin(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def signal_command(self, request: cpb.SignalCommandRequest) -> cpb.SignalCommandResponse:
        """See the proto."""
        return await unary(lambda: self._stub.SignalCommand(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def list_commands(self, request: cpb.ListCommandsRequest) -> pb.ListCommandsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListCommands(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def read_command_log(self, request: cpb.ReadCommandLogRequest) -> pb.ReadCommandLogResponse:
        """See the proto."""
        seconds = CALL_SECONDS + request.wait_ms / 1000
        return await unary(lambda: self._stub.ReadCommandLog(request, timeout=seconds, metadata=self._metadata))

    async def write_terminal(self, request: cpb.WriteTerminalRequest) -> cpb.WriteTerminalResponse:
        """See the proto."""
        return await unary(lambda: self._stub.WriteTerminal(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def resize_terminal(self, request: cpb.ResizeTerminalRequest) -> cpb.ResizeTerminalResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ResizeTerminal(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def close_terminal(self, request: cpb.CloseTerminalRequest) -> cpb.CloseTerminalResponse:
        """See the proto."""
        return await unary(lambda: self._stub.CloseTerminal(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def list_terminals(self, request: cpb.ListTerminalsRequest) -> cpb.ListTerminalsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListTerminals(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def stop_command(self, request: pb.StopCommandRequest) -> pb.StopCommandResponse:
        """See the proto."""
        return await unary(lambda: self._stub.StopCommand(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def list_tree(self, request: pb.ListTreeRequest) -> pb.ListTreeResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListTree(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def read_file(self, request: pb.ReadFileRequest) -> pb.ReadFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ReadFile(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def edit_file(self, request: pb.EditFileRequest) -> pb.EditFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.EditFile(request, timeout=CALL_SECONDS, metadata=self._metadata))

    # Files.

    async def stat_file(self, request: fpb.StatFileRequest) -> fpb.StatFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.StatFile(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def download_file(self, request: fpb.DownloadFileRequest) -> AsyncGenerator[fpb.DownloadFileResponse, None]:
        """See the proto. A broken stream is taken up again from the last byte that came, if the file is the same."""
        current = fpb.DownloadFileRequest()
        current.CopyFrom(request)
        end, attempt = 0, 0
        while True:
            call = self._stub.DownloadFile(current, metadata=self._metadata)
            try:
                async for response in call:
                    attempt = 0
                    if response.HasField("file"):
                        if end:
                            continue
                        current.if_version = response.file.version
                        end = min(response.file.size, request.offset + (request.length or response.file.size))
                    current.offset += len(response.data)
                    yield response
                return
            except grpc.RpcError as error:
                refusal = from_rpc_error(error)
                if refusal.reason != "UNAVAILABLE" or attempt == RETRY_ATTEMPTS:
                    raise refusal from error
            finally:
                call.cancel()
            if end and current.offset >= end:
                return
            if end:
                current.length = end - current.offset
            await backoff(attempt)
            attempt += 1

    async def write_file(self, request: fpb.WriteFileRequest) -> fpb.WriteFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.WriteFile(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def write_file_part(self, request: fpb.WriteFilePartRequest) -> fpb.WriteFilePartResponse:
        """See the proto."""
        return await unary(lambda: self._stub.WriteFilePart(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def make_directory(self, request: fpb.MakeDirectoryRequest) -> fpb.MakeDirectoryResponse:
        """See the proto."""
        return await unary(lambda: self._stub.MakeDirectory(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def move_file(self, request: fpb.MoveFileRequest) -> fpb.MoveFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.MoveFile(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def remove_file(self, request: fpb.RemoveFileRequest) -> fpb.RemoveFileResponse:
        """See the proto."""
        return await unary(lambda: self._stub.RemoveFile(request, timeout=LONG_SECONDS, metadata=self._metadata))

    def search_files(self, request: fpb.SearchFilesRequest) -> AsyncGenerator[fpb.SearchFilesResponse, None]:
        """See the proto. Not tried again in the middle: the matches so far would come twice."""
        call = self._stub.SearchFiles(request, timeout=LONG_SECONDS, metadata=self._metadata)
        return _streamed(call)

    def watch_files(self, request: fpb.WatchFilesRequest) -> AsyncGenerator[fpb.WatchFilesResponse, None]:
        """See the proto. A break is the caller's to mend, who has to list the files anew."""
        return _streamed(self._stub.WatchFiles(request, metadata=self._metadata))

    def export_archive(self, request: fpb.ExportArchiveRequest) -> AsyncGenerator[fpb.ExportArchiveResponse, None]:
        """See the proto."""
        return _streamed(self._stub.ExportArchive(request, metadata=self._metadata))

    async def import_archive(self, request: fpb.ImportArchiveRequest) -> fpb.ImportArchiveResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ImportArchive(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def create_snapshot(self, request: pb.CreateSnapshotRequest) -> pb.CreateSnapshotResponse:
        """See the proto."""
        return await unary(lambda: self._stub.CreateSnapshot(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def list_snapshots(self, request: spb.ListSnapshotsRequest) -> spb.ListSnapshotsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListSnapshots(request, timeout=LONG_SECONDS, metadata=self._metadata))

    def diff_snapshots(self, request: spb.DiffSnapshotsRequest) -> AsyncGenerator[spb.DiffSnapshotsResponse, None]:
        """See the proto. Raises RemoteError also for a stream that broke off: it is asked for again from the start."""
        return _streamed(self._stub.DiffSnapshots(request, metadata=self._metadata))

    async def restore_snapshot(self, request: spb.RestoreSnapshotRequest) -> spb.RestoreSnapshotResponse:
        """See the proto."""
        return await unary(lambda: self._stub.RestoreSnapshot(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def pause_sandbox(self, request: lpb.PauseSandboxRequest) -> lpb.PauseSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.PauseSandbox(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def resume_sandbox(self, request: lpb.ResumeSandboxRequest) -> lpb.ResumeSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ResumeSandbox(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def hibernate_sandbox(self, request: lpb.HibernateSandboxRequest) -> lpb.HibernateSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.HibernateSandbox(request, timeout=PACK_SECONDS, metadata=self._metadata))

    async def restart_sandbox(self, request: lpb.RestartSandboxRequest) -> lpb.RestartSandboxResponse:
        """See the proto."""
        return await unary(lambda: self._stub.RestartSandbox(request, timeout=LONG_SECONDS, metadata=self._metadata))

    async def keep_alive(self, request: lpb.KeepAliveRequest) -> lpb.KeepAliveResponse:
        """See the proto."""
        return await unary(lambda: self._stub.KeepAlive(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def create_checkpoint(self, request: lpb.CreateCheckpointRequest) -> lpb.CreateCheckpointResponse:
        """See the proto."""
        return await unary(lambda: self._stub.CreateCheckpoint(request, timeout=PACK_SECONDS, metadata=self._metadata))

    async def list_checkpoints(self, request: lpb.ListCheckpointsRequest) -> lpb.ListCheckpointsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListCheckpoints(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def restore_checkpoint(self, request: lpb.RestoreCheckpointRequest) -> lpb.RestoreCheckpointResponse:
        """See the proto."""
        return await unary(lambda: self._stub.RestoreCheckpoint(request, timeout=PACK_SECONDS, metadata=self._metadata))

    async def list_transitions(self, request: lpb.ListTransitionsRequest) -> lpb.ListTransitionsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListTransitions(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def read_checkpoint(
        self, request: lpb.ReadCheckpointRequest
    ) -> AsyncGenerator[lpb.ReadCheckpointResponse, None]:
        """See the proto. A stream that breaks off is taken up again from the byte that comes next."""
        current = lpb.ReadCheckpointRequest()
        current.CopyFrom(request)
        attempt = 0
        while True:
            call = self._stub.ReadCheckpoint(current, metadata=self._metadata)
            try:
                async for response in call:
                    attempt = 0
                    current.from_offset += len(response.data)
                    yield response
                return
            except grpc.RpcError as error:
                refusal = from_rpc_error(error)
                if refusal.reason != "UNAVAILABLE" or attempt == RETRY_ATTEMPTS:
                    raise refusal from error
            finally:
                call.cancel()
            await backoff(attempt)
            attempt += 1

    async def get_status(self, request: pb.GetStatusRequest) -> pb.GetStatusResponse:
        """See the proto."""
        return await unary(lambda: self._stub.GetStatus(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def list_sandboxes(self, request: pb.ListSandboxesRequest) -> pb.ListSandboxesResponse:
        """See the proto."""
        return await unary(lambda: self._stub.ListSandboxes(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def watch_sandboxes(
        self, request: pb.WatchSandboxesRequest
    ) -> AsyncGenerator[pb.WatchSandboxesResponse, None]:
        """See the proto. A broken stream is taken up again from the last revision that came."""
        current, attempt = pb.WatchSandboxesRequest(revision=request.revision), 0
        while True:
            try:
                async for response in self._stub.WatchSandboxes(current, metadata=self._metadata):
                    attempt = 0
                    current.revision = response.revision
                    yield response
            except grpc.RpcError as error:
                refusal = from_rpc_error(error)
                if refusal.reason != "UNAVAILABLE" or attempt == RETRY_ATTEMPTS:
                    raise refusal from error
            await backoff(attempt)
            attempt += 1

    async def get_stats(self, request: pool_pb2.GetStatsRequest) -> pool_pb2.GetStatsResponse:
        """See the proto."""
        return await unary(lambda: self._stub.GetStats(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def get_pool(self, request: pool_pb2.GetPoolRequest) -> pool_pb2.GetPoolResponse:
        """See the proto."""
        return await unary(lambda: self._stub.GetPool(request, timeout=CALL_SECONDS, metadata=self._metadata))

    async def set_pool(self, request: pool_pb2.SetPoolRequest) -> pool_pb2.SetPoolResponse:
        """See the proto."""
        return await unary(lambda: self._stub.SetPool(request, timeout=CALL_SECONDS, metadata=self._metadata))


async def resumed(method: Any, request: Any, metadata: Metadata) -> AsyncGenerator[Any, None]:
    """A stream with `started`, `output` and an end, taken up again from the last byte that came; Started comes once."""
    current = type(request)()
    current.CopyFrom(request)
    is_started = False
    attempt = 0
    while True:
        call = method(current, metadata=metadata)
        try:
            async for response in call:
                attempt = 0
                if response.HasField("output"):
                    current.from_offset = response.output.offset + len(response.output.data)
                if not (is_started and response.HasField("started")):
                    yield response
                is_started = True
            return
        except grpc.RpcError as error:
            refusal = from_rpc_error(error)
            # A refusal with a reason of its own is an answer; only a transport that failed is tried again.
            if refusal.reason != "UNAVAILABLE" or attempt == RETRY_ATTEMPTS:
                raise refusal from error
        finally:
            call.cancel()  # who stops reading uses the sandbox no more
        await backoff(attempt)
        attempt += 1


async def _streamed(call: Any) -> AsyncGenerator[Any, None]:
    """The answers of a stream. Raises RemoteError."""
    try:
        async for response in call:
            yield response
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    finally:
        call.cancel()
