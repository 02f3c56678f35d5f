"""Files of one sandbox, as its helper is asked for them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol

from services.sandbox.domain.files import (
    ChangeOrder,
    DownloadOrder,
    FileInfo,
    Made,
    Match,
    Moved,
    MoveOrder,
    Packed,
    Removed,
    RemoveOrder,
    Searched,
    SearchEnd,
    SearchOrder,
    TreeOrder,
    Unpacked,
    UnpackOrder,
    Upload,
    UploadPart,
    WatchChange,
    WatchFrame,
    WatchReady,
    WatchReload,
    WriteOrder,
    Written,
)
from services.sandbox.domain.models import Tree, TreeEntry

Parts = AsyncGenerator[tuple[dict[str, Any], bytes], None]


class Line(Protocol):
    """Calls to a helper."""

    async def call(self, request: dict[str, Any], blob: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """One answer."""

    def parts(self, request: dict[str, Any]) -> Parts:
        """An answer in parts, at the pace of the reader."""


class HelperFiles:
    """See ports.GuestFiles."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def stat(self, path: str, follow: bool, with_etag: bool) -> FileInfo:
        """See ports.GuestFiles."""
        fields, _ = await self._line.call({"op": "stat", "path": path, "follow": follow, "with_etag": with_etag})
        return FileInfo(**fields)

    async def list_tree(self, order: TreeOrder) -> Tree:
        """See ports.GuestFiles."""
        limits = {"depth": order.depth, "max_entries": order.max_entries}
        asked = {"op": "tree", "path": order.path, "hidden": order.include_hidden, "token": order.page_token, **limits}
        fields, _ = await self._line.call(asked)
        entries = tuple(TreeEntry(*entry) for entry in fields["entries"])
        return Tree(entries=entries, truncated=fields["truncated"], next_page_token=fields["token"])

    async def download(self, order: DownloadOrder) -> AsyncGenerator[FileInfo | bytes, None]:
        """See ports.GuestFiles."""
        asked = {"op": "download", "path": order.path, "offset": order.offset, "length": order.length}
        async with aclosing(self._line.parts({**asked, "if_version": order.if_version})) as parts:
            async for fields, data in parts:
                if "file" in fields:
                    yield FileInfo(**fields["file"])
                elif data:
                    yield data

    async def write_part(self, part: UploadPart) -> int:
        """See ports.GuestFiles."""
        asked = {"op": "write_part", "upload": part.upload_id, "offset": part.offset, "epoch": part.epoch}
        fields, _ = await self._line.call(asked, part.data)
        return int(fields["size"])

    async def write(self, order: WriteOrder) -> Written:
        """See ports.GuestFiles."""
        asked = {"op": "write", "id": order.write_id, "path": order.path, "epoch": order.epoch}
        asked |= {"if_match": order.if_match, "executable": order.executable}
        fields, _ = await self._line.call(*_with(order.source, asked))
        return Written(fields["etag"], fields["size"], fields["created"], fields["repeated"])

    async def make_directory(self, order: ChangeOrder) -> Made:
        """See ports.GuestFiles."""
        fields, _ = await self._line.call(_change("make_directory", order))
        return Made(fields["created"], fields["repeated"])

    async def move(self, order: MoveOrder) -> Moved:
        """See ports.GuestFiles."""
        asked = _change("move", order) | {"new_path": order.new_path, "overwrite": order.overwrite}
        fields, _ = await self._line.call(asked)
        return Moved(fields["repeated"])

    async def remove(self, order: RemoveOrder) -> Removed:
        """See ports.GuestFiles."""
        fields, _ = await self._line.call(_change("remove", order) | {"recursive": order.recursive})
        return Removed(fields["removed"], fields["repeated"])

    async def unpack(self, order: UnpackOrder) -> Unpacked:
        """See ports.GuestFiles."""
        fields, _ = await self._line.call(
            *_with(order.source, _change("unpack", order) | {"overwrite": order.overwrite})
        )
        return Unpacked(fields["entries"], fields["bytes"], fields["repeated"])

    async def pack(self, path: str, leave_out_made: bool) -> AsyncGenerator[bytes | Packed, None]:
        """See ports.GuestFiles."""
        asked = {"op": "pack", "path": path, "leave_out_made": leave_out_made}
        async with aclosing(self._line.parts(asked)) as parts:
            async for fields, data in parts:
                if data:
                    yield data
                if "done" in fields:
                    yield Packed(**fields["done"])

    async def search(self, order: SearchOrder) -> AsyncGenerator[tuple[Match, ...] | Searched, None]:
        """See ports.GuestFiles."""
        asked = {"op": "search", "path": order.path, "query": order.query, "names": order.in_names}
        asked |= {"regex": order.regex, "ignore_case": order.ignore_case, "hidden": order.include_hidden}
        asked |= {"globs": order.globs, "max_results": order.max_results, "seconds": order.time_limit_ms / 1000}
        async with aclosing(self._line.parts(asked)) as parts:
            async for fields, _ in parts:
                if "matches" in fields:
                    yield tuple(Match(*match) for match in fields["matches"])
                if "done" in fields:
                    yield Searched(SearchEnd(fields["done"]), fields["files"], fields["skipped"])

    async def watch(self) -> AsyncGenerator[WatchFrame, None]:
        """See ports.GuestFiles."""
        async with aclosing(self._line.parts({"op": "watch"})) as parts:
            async for fields, _ in parts:
                if "ready" in fields:
                    yield WatchReady(fields["ready"], fields["partial"])
                elif "changes" in fields:
                    yield tuple(WatchChange(*change) for change in fields["changes"])
                elif "reload" in fields:
                    yield WatchReload()


def _change(op: str, order: ChangeOrder) -> dict[str, Any]:
    return {"op": op, "id": order.change_id, "path": order.path, "epoch": order.epoch}


def _with(source: bytes | Upload, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Bytes go beside the request, an upload by its name."""
    if isinstance(source, Upload):
        return {**asked, "upload": source.upload_id, "size": source.size}, b""
    return {**asked, "upload": "", "size": len(source)}, source
