"""Request, one use case, answer."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict

from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import images_pb2, pool_pb2, sandbox_pb2_grpc
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.paging import decode_token, encode_token, page_size
from services.sandbox import convert
from services.sandbox.convert import files, snapshots
from services.sandbox.convert.confinement import status_to_proto
from services.sandbox.convert.network import network_from_proto
from services.sandbox.domain.models import RestoreOrder
from services.sandbox.ports import Ports
from services.sandbox.servicer.caller import Context, user_id
from services.sandbox.servicer.commands import CommandRpcs
from services.sandbox.servicer.lifecycle import LifecycleRpcs
from services.sandbox.usecases.configure_sandbox import configure_sandbox
from services.sandbox.usecases.create_sandbox import SandboxOrder, create_sandbox
from services.sandbox.usecases.create_snapshot import create_snapshot
from services.sandbox.usecases.delete_sandbox import delete_sandbox
from services.sandbox.usecases.diff_snapshots import diff_snapshots
from services.sandbox.usecases.download_file import download_file
from services.sandbox.usecases.edit_file import edit_file
from services.sandbox.usecases.export_archive import export_archive
from services.sandbox.usecases.get_pool import get_pool
from services.sandbox.usecases.get_sandbox import get_sandbox
from services.sandbox.usecases.get_stats import get_stats
from services.sandbox.usecases.get_status import get_status
from services.sandbox.usecases.import_archive import import_archive
from services.sandbox.usecases.list_images import list_images
from services.sandbox.usecases.list_sandboxes import list_sandboxes
from services.sandbox.usecases.list_snapshots import list_snapshots
from services.sandbox.usecases.list_tree import list_tree
from services.sandbox.usecases.make_directory import make_directory
from services.sandbox.usecases.move_file import move_file
from services.sandbox.usecases.read_file import read_file
from services.sandbox.usecases.remove_file import remove_file
from services.sandbox.usecases.restore_snapshot import restore_snapshot
from services.sandbox.usecases.search_files import search_files
from services.sandbox.usecases.set_pool import set_pool
from services.sandbox.usecases.stat_file import stat_file
from services.sandbox.usecases.watch_files import watch_files
from services.sandbox.usecases.watch_sandboxes import watch_sandboxes
from services.sandbox.usecases.write_file import write_file
from services.sandbox.usecases.write_file_part import write_file_part


class SandboxServicer(CommandRpcs, LifecycleRpcs, sandbox_pb2_grpc.SandboxServiceServicer):
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
        view, arrival = await create_sandbox(self._ports, user_id(), order)
        return pb.CreateSandboxResponse(
            sandbox=convert.sandbox_to_proto(view),
            created=arrival.created,
            workspace_kept=arrival.workspace_kept,
            warm=arrival.warm,
            checkpoint_id=arrival.checkpoint_id,
            transition_id=arrival.transition_id,
        )

    async def ConfigureSandbox(
        self, request: images_pb2.ConfigureSandboxRequest, context: Context
    ) -> images_pb2.ConfigureSandboxResponse:
        """See the proto."""
        env = convert.env_from_proto(request.env)
        sandbox, remade, told = await configure_sandbox(
            self._ports, user_id(), request.sandbox_id, request.image, env, request.epoch
        )
        return images_pb2.ConfigureSandboxResponse(image=sandbox.image, remade=remade, transition_id=told)

    async def ListImages(
        self, request: images_pb2.ListImagesRequest, context: Context
    ) -> images_pb2.ListImagesResponse:
        """See the proto."""
        return images_pb2.ListImagesResponse(images=await list_images(self._ports))

    async def GetSandbox(self, request: pb.GetSandboxRequest, context: Context) -> pb.GetSandboxResponse:
        """See the proto."""
        view = await get_sandbox(self._ports, user_id(), request.sandbox_id)
        return pb.GetSandboxResponse(sandbox=convert.sandbox_to_proto(view))

    async def DeleteSandbox(self, request: pb.DeleteSandboxRequest, context: Context) -> pb.DeleteSandboxResponse:
        """See the proto."""
        await delete_sandbox(self._ports, user_id(), request.sandbox_id, request.keep_workspace)
        return pb.DeleteSandboxResponse()

    async def ListTree(self, request: pb.ListTreeRequest, context: Context) -> pb.ListTreeResponse:
        """See the proto."""
        order = files.tree_order(request)
        tree = await list_tree(self._ports, user_id(), request.sandbox_id, order)
        return files.tree_to_proto(tree)

    async def ReadFile(self, request: pb.ReadFileRequest, context: Context) -> pb.ReadFileResponse:
        """See the proto."""
        found = await read_file(self._ports, user_id(), request.sandbox_id, request.path, request.offset, request.limit)
        return pb.ReadFileResponse(data=found.data, size=found.size, etag=found.etag)

    async def EditFile(self, request: pb.EditFileRequest, context: Context) -> pb.EditFileResponse:
        """See the proto."""
        order = convert.edit_from_proto(request)
        edited = await edit_file(self._ports, user_id(), request.sandbox_id, order)
        return files.edited_to_proto(edited)

    # Files.

    async def StatFile(self, request: fpb.StatFileRequest, context: Context) -> fpb.StatFileResponse:
        """See the proto."""
        asked = (request.path, request.follow, request.with_etag)
        info = await stat_file(self._ports, user_id(), request.sandbox_id, *asked)
        return fpb.StatFileResponse(file=files.info_to_proto(info))

    async def DownloadFile(
        self, request: fpb.DownloadFileRequest, context: Context
    ) -> AsyncIterator[fpb.DownloadFileResponse]:
        """See the proto."""
        order = files.download_order(request)
        frames = download_file(self._ports, user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.download_to_proto(frame)

    async def WriteFile(self, request: fpb.WriteFileRequest, context: Context) -> fpb.WriteFileResponse:
        """See the proto."""
        order = files.write_order(request)
        written = await write_file(self._ports, user_id(), request.sandbox_id, order)
        return fpb.WriteFileResponse(**asdict(written))

    async def WriteFilePart(self, request: fpb.WriteFilePartRequest, context: Context) -> fpb.WriteFilePartResponse:
        """See the proto."""
        order = files.part_order(request)
        return fpb.WriteFilePartResponse(size=await write_file_part(self._ports, user_id(), request.sandbox_id, order))

    async def MakeDirectory(self, request: fpb.MakeDirectoryRequest, context: Context) -> fpb.MakeDirectoryResponse:
        """See the proto."""
        order = files.make_order(request)
        made = await make_directory(self._ports, user_id(), request.sandbox_id, order)
        return fpb.MakeDirectoryResponse(**asdict(made))

    async def MoveFile(self, request: fpb.MoveFileRequest, context: Context) -> fpb.MoveFileResponse:
        """See the proto."""
        order = files.move_order(request)
        moved = await move_file(self._ports, user_id(), request.sandbox_id, order)
        return fpb.MoveFileResponse(**asdict(moved))

    async def RemoveFile(self, request: fpb.RemoveFileRequest, context: Context) -> fpb.RemoveFileResponse:
        """See the proto."""
        order = files.remove_order(request)
        removed = await remove_file(self._ports, user_id(), request.sandbox_id, order)
        return fpb.RemoveFileResponse(**asdict(removed))

    async def SearchFiles(
        self, request: fpb.SearchFilesRequest, context: Context
    ) -> AsyncIterator[fpb.SearchFilesResponse]:
        """See the proto."""
        order = files.search_order(request)
        frames = search_files(self._ports, user_id(), request.sandbox_id, order)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.found_to_proto(frame)

    async def WatchFiles(
        self, request: fpb.WatchFilesRequest, context: Context
    ) -> AsyncIterator[fpb.WatchFilesResponse]:
        """See the proto."""
        frames = watch_files(self._ports, user_id(), request.sandbox_id)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.watched_to_proto(frame)

    async def ExportArchive(
        self, request: fpb.ExportArchiveRequest, context: Context
    ) -> AsyncIterator[fpb.ExportArchiveResponse]:
        """See the proto."""
        asked = (request.path, request.leave_out_made)
        frames = export_archive(self._ports, user_id(), request.sandbox_id, *asked)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield files.packed_to_proto(frame)

    async def ImportArchive(self, request: fpb.ImportArchiveRequest, context: Context) -> fpb.ImportArchiveResponse:
        """See the proto."""
        order = files.unpack_order(request)
        unpacked = await import_archive(self._ports, user_id(), request.sandbox_id, order)
        return fpb.ImportArchiveResponse(**asdict(unpacked))

    async def CreateSnapshot(self, request: pb.CreateSnapshotRequest, context: Context) -> pb.CreateSnapshotResponse:
        """See the proto."""
        order = snapshots.snapshot_from_proto(request)
        return snapshots.snapshot_to_proto(await create_snapshot(self._ports, user_id(), request.sandbox_id, order))

    async def ListSnapshots(self, request: spb.ListSnapshotsRequest, context: Context) -> spb.ListSnapshotsResponse:
        """See the proto."""
        size, before = page_size(request.page_size, 50, 200), snapshots.number_of(request.page_token)
        page = await list_snapshots(self._ports, user_id(), request.sandbox_id, request.path, size, before)
        return snapshots.list_to_proto(*page)

    async def DiffSnapshots(
        self, request: spb.DiffSnapshotsRequest, context: Context
    ) -> AsyncIterator[spb.DiffSnapshotsResponse]:
        """See the proto."""
        order = snapshots.diff_from_proto(request)
        async with contextlib.aclosing(diff_snapshots(self._ports, user_id(), request.sandbox_id, order)) as parts:
            async for part in parts:
                yield snapshots.part_to_proto(part)

    async def RestoreSnapshot(
        self, request: spb.RestoreSnapshotRequest, context: Context
    ) -> spb.RestoreSnapshotResponse:
        """See the proto."""
        order = RestoreOrder(request.restore_id, request.path, request.tree, request.epoch)
        restored = await restore_snapshot(self._ports, user_id(), request.sandbox_id, order)
        return snapshots.restored_to_proto(restored)

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        """See the proto."""
        return status_to_proto(await get_status(self._ports))

    async def ListSandboxes(self, request: pb.ListSandboxesRequest, context: Context) -> pb.ListSandboxesResponse:
        """See the proto."""
        limit = page_size(request.page_size, 50, 200)
        before = str(decode_token(request.page_token).get("before", ""))
        page, last = await list_sandboxes(self._ports, user_id(), before, limit)
        following = encode_token({"before": last}) if last else ""
        return pb.ListSandboxesResponse(sandboxes=map(convert.sandbox_to_proto, page), next_page_token=following)

    async def WatchSandboxes(
        self, request: pb.WatchSandboxesRequest, context: Context
    ) -> AsyncIterator[pb.WatchSandboxesResponse]:
        """See the proto."""
        async with contextlib.aclosing(watch_sandboxes(self._ports, user_id(), request.revision)) as watch:
            async for watched in watch:
                yield convert.watched_to_proto(watched)

    async def GetStats(self, request: pool_pb2.GetStatsRequest, context: Context) -> pool_pb2.GetStatsResponse:
        """See the proto."""
        return convert.stats_to_proto(await get_stats(self._ports, user_id(), request.sandbox_id))

    async def GetPool(self, request: pool_pb2.GetPoolRequest, context: Context) -> pool_pb2.GetPoolResponse:
        """See the proto."""
        return pool_pb2.GetPoolResponse(pool=convert.pool_to_proto(*get_pool(self._ports)))

    async def SetPool(self, request: pool_pb2.SetPoolRequest, context: Context) -> pool_pb2.SetPoolResponse:
        """See the proto."""
        return pool_pb2.SetPoolResponse(pool=convert.pool_to_proto(*set_pool(self._ports, request.size)))
