"""Everything that can be asked about the workspace's files, by the name of the request."""
# ruff: noqa: PTH118

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .beneath import Beneath
from .changes import Changes
from .connection import Connection
from .edits import Edits
from .files import download, read_file, stat_file
from .frames import Refusal
from .journal import Journal
from .names import meant
from .packing import Packing
from .reaper import Reaper
from .search import Searches
from .streams import Stream
from .tree import list_tree
from .uploads import Uploads
from .watching import Watching
from .writes import Writes

MAX_STREAMS = 32


class FileDesk:
    """`answers` are given at once, `streams` in parts."""

    def __init__(self, workspace: Beneath, journal: Journal, reaper: Reaper, state: str, mark: str) -> None:
        self._open = threading.BoundedSemaphore(MAX_STREAMS)
        uploads = Uploads(os.path.join(state, "uploads"))
        edits = Edits(workspace, journal)
        writes = Writes(workspace, journal, edits, uploads)
        changes = Changes(workspace, journal, edits, uploads)
        self._searches, watching = Searches(workspace, state, reaper, mark), Watching(workspace)
        answers: dict[str, Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]] = {
            "read": lambda r, _: read_file(workspace, r["path"], r["offset"], r["limit"]),
            "stat": lambda r, _: stat_file(workspace, r["path"], r["follow"], r["with_etag"]),
            "tree": lambda r, _: list_tree(workspace, r),
            "edit": edits.apply,
            "write": writes.apply,
            "write_part": writes.part,
            "make_directory": changes.make_directory,
            "move": changes.move,
            "remove": changes.remove,
            "unpack": changes.unpack,
        }
        self.answers = {op: _named(answer) for op, answer in answers.items()}
        self.streams: dict[str, Callable[[dict[str, Any], Stream], tuple[dict[str, Any], bytes]]] = {
            "download": _named(lambda r, stream: download(workspace, r, stream)),
            "search": _named(self._searches.run),
            "watch": watching.follow,
            "pack": _named(lambda r, stream: Packing(workspace, stream).pack(r["path"], r["leave_out_made"])),
        }

    def adopt(self, mark: str) -> None:
        """Whose the sandbox is from now on."""
        self._searches.mark = mark

    def stream(self, connection: Connection, number: int, request: dict[str, Any]) -> None:
        """Answers in parts, to the end. Raises Refusal."""
        if not self._open.acquire(blocking=False):
            raise Refusal("SANDBOX_BUSY", f"{MAX_STREAMS} files are being read or watched already.")
        try:
            answer = self.streams[request["op"]](request, Stream(connection, number, connection.followers[number]))
        finally:
            self._open.release()
        connection.reply(number, *answer)


def _named(
    answer: Callable[[dict[str, Any], Any], tuple[dict[str, Any], bytes]],
) -> Callable[[dict[str, Any], Any], tuple[dict[str, Any], bytes]]:
    """Takes paths as the names that they stand for."""

    def named(request: dict[str, Any], rest: Any) -> tuple[dict[str, Any], bytes]:
        paths: dict[str, Any] = {key: meant(request[key]) for key in ("path", "new_path") if key in request}
        return answer({**request, **paths}, rest)

    return named
