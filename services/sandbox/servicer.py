"""Request, one use case, answer."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, TypeAlias

import grpc
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import images_pb2, sandbox_pb2_grpc
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.identity import current_caller
from services.rpc.paging import decode_token, encode_token, page_size
from services.sandbox import convert
from services.sandbox.convert import files, lifecycle
from services.sandbox.convert.network import network_from_proto, network_to_proto
from services.sandbox.ports import Ports
from services.sandbox.usecases.configure_sandbox import configure_sandbox
from services.sandbox.usecases.create_checkpoint import create_checkpoint
from services.sandbox.usecases.create_sandbox import SandboxOrder, create_sandbox
from services.sandbox.usecases.create_snapshot import create_snapshot
from services.sandbox.usecases.delete_sandbox import delete_sandbox
from services.sandbox.usecases.download_file import download_file
from services.sandbox.usecases.edit_file import edit_file
from services.sandbox.usecases.export_archive import export_archive
from services.sandbox.usecases.get_sandbox import get_sandbox
from services.sandbox.usecases.get_status import get_status
from services.sandbox.usecases.hibernate_sandbox import hibernate_sandbox
from services.sandbox.usecases.import_archive import import_archive
from services.sandbox.usecases.keep_alive import keep_alive
from services.sandbox.usecases.list_checkpoints import list_checkpoints
from services.sandbox.usecases.list_images import list_images
from services.sandbox.usecases.list_transitions import list_transitions
from services.sandbox.usecases.list_tree import list_tree
from services.sandbox.usecases.make_directory import make_directory
from services.sandbox.usecases.move_file import move_file
from services.sandbox.usecases.pause_sandbox import pause_sandbox
from services.sandbox.usecases.read_checkpoint import read_checkpoint
from services.sandbox.usecases.read_file import read_file
from services.sandbox.usecases.remove_file import remove_file
from services.sandbox.usecases.restart_sandbox import restart_sandbox
from services.sandbox.usecases.restore_checkpoint import restore_checkpoint
from services.sandbox.usecases.resume_sandbox import resume_sandbox
from services.sandbox.usecases.run_command import run_command
from services.sandbox.usecases.search_files import search_files
from services.sandbox.usecases.stat_file import stat_file
from services.sandbox.usecases.stop_command import stop_command
from services.sandbox.usecases.watch_files import watch_files
from services.sandbox.usecases.write_file import write_file
from services.sandbox.usecases.write_file_part import write_file_part

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def _user_id() -> str | None:
    """The owner to check against; None for a service that acts for nobody."""
    caller = current_caller()
    return None if caller.internal and not caller.user_id else caller.user_id


class SandboxServicer(sandbox_pb2_grpc.SandboxServiceServicer):
    """SandboxService."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def CreateSandbox(self, request: pb.CreateSandboxRequest, context: Context) -> pb.CreateSandboxResponse:
        """See the proto."""
        order = SandboxOrder(
            sandbox_id=request.sandbox_id,
            owner_id=request.owner_id,
            session_id=convert.session_id_from_proto(request),
            image=request.image,
            env=convert.env_from_proto(request.env),
            git_config=convert.git_config_from_proto(request),
            epoch=request.epoch,
            network=network_from_proto(request.network),
        )
        view, arrival = await create_sandbox(self._ports, _user_id(), order)
        return pb.CreateSandboxResponse(
            sandbox=convert.sandbox_to_proto(view),
            created=arrival.created,
            workspace_kept=arrival.workspace_kept,
            checkpoint_id=arrival.checkpoint_id,
            transition_id=arrival.transition_id,
        )

    async def ConfigureSandbox(
        self, request: images_pb2.ConfigureSandboxRequest, context: Context
    ) -> images_pb2.ConfigureSandboxResponse:
        """See the proto."""
        env = convert.env_from_proto(request.env)
        sandbox, remade = await configure_sandbox(
            self._ports, _user_id(), request.sandbox_id, request.image, env, request.epoch
        )
        return images_pb2.ConfigureSandboxResponse(image=sandbox.image, remade=remade)

    async def ListImages(
        self, request: images_pb2.ListImagesRequest, context: Context
    ) -> images_pb2.ListImagesResponse:
        """See the proto."""
        return images_pb2.ListImagesResponse(images=await list_images(self._ports))

    async def GetSandbox(self, request: pb.GetSandboxRequest, context: Context) -> pb.GetSandboxResponse:
        """See the proto."""
        view = await get_sandbox(self._ports, _user_id(), request.sandbox_id)
        return pb.GetSandboxResponse(sandbox=convert.sandbox_to_proto(view))

    async def DeleteSandbox(self, request: pb.DeleteSandboxRequest, context: Context) -> pb.DeleteSandboxResponse:
        """See the proto."""
        await delete_sandbox(self._ports, _user_id(), request.sandbox_id, request.keep_workspace)
        return pb.DeleteSandboxResponse()

    async def RunCommand(self, request: pb.RunCommandRequest, context: Context) -> AsyncIterator[pb.RunCommandResponse]:
        """See the proto."""
        order = convert.command_from_proto(request)
        frames = run_command(self._ports, _user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield convert.frame_to_proto(frame)

    async def StopCommand(self, request: pb.StopCommandRequest, context: Context) -> pb.StopCommandResponse:
        """See the proto."""
        ended = await stop_command(self._ports, _user_id(), request.sandbox_id, request.command_id)
        return pb.StopCommandResponse(ended=ended)

    async def ListTree(self, request: pb.ListTreeRequest, context: Context) -> pb.ListTreeResponse:
        """See the proto."""
        order = files.tree_order(request)
        tree = await list_tree(self._ports, _user_id(), request.sandbox_id, order)
        return files.tree_to_proto(tree)

    async def ReadFile(self, request: pb.ReadFileRequest, context: Context) -> pb.ReadFileResponse:
        """See the proto."""
        found = await read_file(
            self._ports, _user_id(), request.sandbox_id, request.path, request.offset, request.limit
        )
        return pb.ReadFileResponse(data=found.data, size=found.size, etag=found.etag)

    async def EditFile(self, request: pb.EditFileRequest, context: Context) -> pb.EditFileResponse:
        """See the proto."""
        order = convert.edit_from_proto(request)
        edited = await edit_file(self._ports, _user_id(), request.sandbox_id, order)
        return files.edited_to_proto(edited)

    # Files.

    async def StatFile(self, request: fpb.StatFileRequest, context: Context) -> fpb.StatFileResponse:
        """See the proto."""
        asked = (request.path, request.follow, request.with_etag)
        info = await stat_file(self._ports, _user_id(), request.sandbox_id, *asked)
        return fpb.StatFileResponse(file=files.info_to_proto(info))

    async def DownloadFile(
        self, request: fpb.DownloadFileRequest, context: Context
    ) -> AsyncIterator[fpb.DownloadFileResponse]:
        """See the proto."""
        order = files.download_order(request)
        frames = download_file(self._ports, _user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.download_to_proto(frame)

    async def WriteFile(self, request: fpb.WriteFileRequest, context: Context) -> fpb.WriteFileResponse:
        """See the proto."""
        order = files.write_order(request)
        written = await write_file(self._ports, _user_id(), request.sandbox_id, order)
        return fpb.WriteFileResponse(**asdict(written))

    async def WriteFilePart(self, request: fpb.WriteFilePartRequest, context: Context) -> fpb.WriteFilePartResponse:
        """See the proto."""
        order = files.part_order(request)
        return fpb.WriteFilePartResponse(size=await write_file_part(self._ports, _user_id(), request.sandbox_id, order))

    async def MakeDirectory(self, request: fpb.MakeDirectoryRequest, context: Context) -> fpb.MakeDirectoryResponse:
        """See the proto."""
        order = files.make_order(request)
        made = await make_directory(self._ports, _user_id(), request.sandbox_id, order)
        return fpb.MakeDirectoryResponse(**asdict(made))

    async def MoveFile(self, request: fpb.MoveFileRequest, context: Context) -> fpb.MoveFileResponse:
        """See the proto."""
        order = files.move_order(request)
        moved = await move_file(self._ports, _user_id(), request.sandbox_id, order)
        return fpb.MoveFileResponse(**asdict(moved))

    async def RemoveFile(self, request: fpb.RemoveFileRequest, context: Context) -> fpb.RemoveFileResponse:
        """See the proto."""
        order = files.remove_order(request)
        removed = await remove_file(self._ports, _user_id(), request.sandbox_id, order)
        return fpb.RemoveFileResponse(**asdict(removed))

    async def SearchFiles(
        self, request: fpb.SearchFilesRequest, context: Context
    ) -> AsyncIterator[fpb.SearchFilesResponse]:
        """See the proto."""
        order = files.search_order(request)
        frames = search_files(self._ports, _user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.found_to_proto(frame)

    async def WatchFiles(
        self, request: fpb.WatchFilesRequest, context: Context
    ) -> AsyncIterator[fpb.WatchFilesResponse]:
        """See the proto."""
        frames = watch_files(self._ports, _user_id(), request.sandbox_id)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.watched_to_proto(frame)

    async def ExportArchive(
        self, request: fpb.ExportArchiveRequest, context: Context
    ) -> AsyncIterator[fpb.ExportArchiveResponse]:
        """See the proto."""
        asked = (request.path, request.leave_out_made)
        frames = export_archive(self._ports, _user_id(), request.sandbox_id, *asked)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.packed_to_proto(frame)

    async def ImportArchive(self, request: fpb.ImportArchiveRequest, context: Context) -> fpb.ImportArchiveResponse:
        """See the proto."""
        order = files.unpack_order(request)
        unpacked = await import_archive(self._ports, _user_id(), request.sandbox_id, order)
        return fpb.ImportArchiveResponse(**asdict(unpacked))

    async def CreateSnapshot(self, request: pb.CreateSnapshotRequest, context: Context) -> pb.CreateSnapshotResponse:
        """See the proto."""
        snapshot = await create_snapshot(
            self._ports, _user_id(), request.sandbox_id, request.path, request.since_tree, request.epoch
        )
        return convert.snapshot_to_proto(snapshot)

    async def PauseSandbox(self, request: lpb.PauseSandboxRequest, context: Context) -> lpb.PauseSandboxResponse:
        """See the proto."""
        return lpb.PauseSandboxResponse(paused=await pause_sandbox(self._ports, _user_id(), request.sandbox_id))

    async def ResumeSandbox(self, request: lpb.ResumeSandboxRequest, context: Context) -> lpb.ResumeSandboxResponse:
        """See the proto."""
        return lpb.ResumeSandboxResponse(resumed=await resume_sandbox(self._ports, _user_id(), request.sandbox_id))

    async def HibernateSandbox(
        self, request: lpb.HibernateSandboxRequest, context: Context
    ) -> lpb.HibernateSandboxResponse:
        """See the proto."""
        saved = await hibernate_sandbox(self._ports, _user_id(), request.sandbox_id)
        return lpb.HibernateSandboxResponse(checkpoint_id=saved)

    async def RestartSandbox(self, request: lpb.RestartSandboxRequest, context: Context) -> lpb.RestartSandboxResponse:
        """See the proto."""
        await restart_sandbox(self._ports, _user_id(), request.sandbox_id, request.epoch)
        return lpb.RestartSandboxResponse()

    async def KeepAlive(self, request: lpb.KeepAliveRequest, context: Context) -> lpb.KeepAliveResponse:
        """See the proto."""
        deadline = await keep_alive(self._ports, _user_id(), request.sandbox_id)
        return lpb.KeepAliveResponse(idle_deadline=None if deadline is None else lifecycle.time_to_proto(deadline))

    async def CreateCheckpoint(
        self, request: lpb.CreateCheckpointRequest, context: Context
    ) -> lpb.CreateCheckpointResponse:
        """See the proto."""
        made = await create_checkpoint(self._ports, _user_id(), request.sandbox_id, request.request_id)
        return lpb.CreateCheckpointResponse(checkpoint=lifecycle.checkpoint_to_proto(made))

    async def ListCheckpoints(
        self, request: lpb.ListCheckpointsRequest, context: Context
    ) -> lpb.ListCheckpointsResponse:
        """See the proto."""
        before = str(decode_token(request.page_token).get("before", ""))
        limit = page_size(request.page_size, 20, 100)
        found, more = await list_checkpoints(self._ports, _user_id(), request.sandbox_id, before, limit)
        token = encode_token({"before": found[-1].checkpoint_id}) if more else ""
        return lpb.ListCheckpointsResponse(
            checkpoints=[lifecycle.checkpoint_to_proto(each) for each in found], next_page_token=token
        )

    async def ReadCheckpoint(
        self, request: lpb.ReadCheckpointRequest, context: Context
    ) -> AsyncIterator[lpb.ReadCheckpointResponse]:
        """See the proto."""
        parts = read_checkpoint(self._ports, _user_id(), request.sandbox_id, request.checkpoint_id, request.from_offset)
        async with contextlib.aclosing(parts):
            async for data, size in parts:
                yield lpb.ReadCheckpointResponse(data=data, size=size)

    async def RestoreCheckpoint(
        self, request: lpb.RestoreCheckpointRequest, context: Context
    ) -> lpb.RestoreCheckpointResponse:
        """See the proto."""
        restored = await restore_checkpoint(
            self._ports, _user_id(), request.sandbox_id, request.checkpoint_id, request.restore_id, request.epoch
        )
        return lifecycle.restored_to_proto(restored)

    async def ListTransitions(
        self, request: lpb.ListTransitionsRequest, context: Context
    ) -> lpb.ListTransitionsResponse:
        """See the proto."""
        found, last = await list_transitions(self._ports, request.after, request.limit)
        return lpb.ListTransitionsResponse(transitions=map(lifecycle.transition_to_proto, found), last=last)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """See the proto."""
        status = await get_status(self._ports)
        return pb.GetStatusResponse(
            confinement=convert.confinement_to_proto(status.confinement),
            ready_sandboxes=status.ready,
            network=network_to_proto(status.network),
        )
