"""Files: our values and the protos. Fields of the same name mean the same."""

from dataclasses import asdict

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.sandbox.domain.files import (
    ChangeOrder,
    DownloadOrder,
    FileInfo,
    Match,
    MoveOrder,
    Packed,
    RemoveOrder,
    Searched,
    SearchOrder,
    TreeOrder,
    UnpackOrder,
    Upload,
    UploadPart,
    WatchFrame,
    WatchReady,
    WatchReload,
    WriteOrder,
)
from services.sandbox.domain.models import Edited, Tree


def tree_order(request: pb.ListTreeRequest) -> TreeOrder:
    """A listing to make."""
    return TreeOrder(request.path, request.depth, request.max_entries, request.include_hidden, request.page_token)


def tree_to_proto(tree: Tree) -> pb.ListTreeResponse:
    """A page of a listing."""
    entries = [pb.ListTreeResponse.Entry(**asdict(entry)) for entry in tree.entries]
    return pb.ListTreeResponse(entries=entries, truncated=tree.truncated, next_page_token=tree.next_page_token)


def edited_to_proto(edited: Edited) -> pb.EditFileResponse:
    """A file after an edit."""
    fields = asdict(edited)
    return pb.EditFileResponse(repeated_call=fields.pop("repeated"), **fields)


def info_to_proto(info: FileInfo) -> fpb.FileInfo:
    """A file, folder or link."""
    fields = asdict(info)
    changed = Timestamp()
    changed.FromNanoseconds(fields.pop("modify_ns"))
    kind = fpb.FileInfo.Kind.Value(f"KIND_{fields.pop('kind')}")
    return fpb.FileInfo(kind=kind, modify_time=changed, **fields)


def download_order(request: fpb.DownloadFileRequest) -> DownloadOrder:
    """A file to read."""
    return DownloadOrder(request.path, request.offset, request.length, request.if_version)


def download_to_proto(frame: FileInfo | bytes) -> fpb.DownloadFileResponse:
    """A part of a file."""
    if isinstance(frame, FileInfo):
        return fpb.DownloadFileResponse(file=info_to_proto(frame))
    return fpb.DownloadFileResponse(data=frame)


def write_order(request: fpb.WriteFileRequest) -> WriteOrder:
    """A file to write."""
    return WriteOrder(
        write_id=request.write_id,
        path=request.path,
        source=_upload(request.upload) if request.HasField("upload") else request.content,
        if_match=request.if_match,
        executable=request.executable if request.HasField("executable") else None,
        epoch=request.epoch,
    )


def part_order(request: fpb.WriteFilePartRequest) -> UploadPart:
    """A part to keep."""
    return UploadPart(request.upload_id, request.offset, request.data, request.epoch)


def make_order(request: fpb.MakeDirectoryRequest) -> ChangeOrder:
    """A folder to make."""
    return ChangeOrder(request.change_id, request.path, request.epoch)


def move_order(request: fpb.MoveFileRequest) -> MoveOrder:
    """An entry to move."""
    return MoveOrder(request.change_id, request.path, request.epoch, request.new_path, request.overwrite)


def remove_order(request: fpb.RemoveFileRequest) -> RemoveOrder:
    """An entry to remove."""
    return RemoveOrder(request.change_id, request.path, request.epoch, request.recursive)


def unpack_order(request: fpb.ImportArchiveRequest) -> UnpackOrder:
    """An archive to unpack."""
    source = _upload(request.upload) if request.HasField("upload") else request.archive
    return UnpackOrder(request.change_id, request.path, request.epoch, source, request.overwrite)


def search_order(request: fpb.SearchFilesRequest) -> SearchOrder:
    """A search."""
    return SearchOrder(
        path=request.path,
        query=request.query,
        in_names=request.target == fpb.SearchFilesRequest.TARGET_NAMES,
        regex=request.regex,
        ignore_case=request.ignore_case,
        globs=tuple(request.globs),
        include_hidden=request.include_hidden,
        max_results=request.max_results,
        time_limit_ms=request.time_limit_ms,
    )


def found_to_proto(frame: tuple[Match, ...] | Searched) -> fpb.SearchFilesResponse:
    """Some places, or how the search ended."""
    if isinstance(frame, Searched):
        reason = fpb.SearchFilesResponse.Done.Reason.Value(f"REASON_{frame.reason.value}")
        done = fpb.SearchFilesResponse.Done(reason=reason, files=frame.files, skipped=frame.skipped)
        return fpb.SearchFilesResponse(done=done)
    matches = [fpb.SearchFilesResponse.Match(**asdict(match)) for match in frame]
    return fpb.SearchFilesResponse(matches=fpb.SearchFilesResponse.Matches(matches=matches))


def watched_to_proto(frame: WatchFrame) -> fpb.WatchFilesResponse:
    """What has changed."""
    if isinstance(frame, WatchReady):
        return fpb.WatchFilesResponse(ready=fpb.WatchFilesResponse.Ready(**asdict(frame)))
    if isinstance(frame, WatchReload):
        return fpb.WatchFilesResponse(reload=fpb.WatchFilesResponse.Reload())
    kinds = fpb.WatchFilesResponse.Change.Kind
    changes = [
        fpb.WatchFilesResponse.Change(
            path=change.path, kind=kinds.Value(f"KIND_{change.kind}"), directory=change.directory
        )
        for change in frame
    ]
    return fpb.WatchFilesResponse(changes=fpb.WatchFilesResponse.Changes(changes=changes))


def packed_to_proto(frame: bytes | Packed) -> fpb.ExportArchiveResponse:
    """A part of an archive, or what is in it."""
    if isinstance(frame, Packed):
        return fpb.ExportArchiveResponse(done=fpb.ExportArchiveResponse.Done(**asdict(frame)))
    return fpb.ExportArchiveResponse(data=frame)


def _upload(upload: fpb.Upload) -> Upload:
    return Upload(upload.upload_id, upload.size)
