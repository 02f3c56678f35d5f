"""Writing a whole file under a condition: in one step, and once for its key."""

from __future__ import annotations

import os
from typing import Any

from .beneath import Beneath, refusal
from .edits import Edits
from .frames import Refusal
from .journal import Journal
from .replacing import Replacement, real_target
from .uploads import Uploads

PART = 1024 * 1024


class Writes:
    """Shares keys and lock with the edits: both change the content of one file."""

    def __init__(self, workspace: Beneath, journal: Journal, edits: Edits, uploads: Uploads) -> None:
        self._workspace = workspace
        self._journal = journal
        self._edits = edits
        self._uploads = uploads

    def part(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Keeps a part of an upload."""
        with self._journal.admitted(request["epoch"]):
            pass
        return {"size": self._uploads.add(request["upload"], request["offset"], blob)}, b""

    def apply(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Writes the file, or tells what was written before under the same key."""
        with self._journal.admitted(request["epoch"]):
            known = self._edits.known(request["id"])
        if known is not None:
            return {**known, "created": False, "repeated": True}, b""
        path = request["path"]
        name, fd = real_target(self._workspace, path)
        if fd >= 0:
            os.close(fd)
        try:
            replacement = Replacement(self._workspace, name)
        except OSError as error:
            raise refusal(error, path) from None
        try:  # all bytes are on the disk before anybody else has to wait
            self._fill(replacement, request, blob)
            return self._put(request, name, replacement), b""
        except OSError as error:
            raise refusal(error, path) from None
        finally:
            replacement.drop()

    def _fill(self, replacement: Replacement, request: dict[str, Any], blob: bytes) -> None:
        if not request["upload"]:
            replacement.write(blob)
            return
        fd = self._uploads.take(request["upload"], request["size"])
        try:
            offset = 0
            while offset < request["size"]:
                part = os.pread(fd, min(PART, request["size"] - offset), offset)
                if not part:
                    raise Refusal("UPLOAD_INCOMPLETE", "The upload became shorter.")
                replacement.write(part)
                offset += len(part)
        finally:
            os.close(fd)

    def _put(self, request: dict[str, Any], name: str, replacement: Replacement) -> dict[str, Any]:
        key = request["id"]
        with self._journal.admitted(request["epoch"]), self._edits.lock:
            known = self._edits.known(key)
            if known is not None:
                return {**known, "created": False, "repeated": True}
            created, before = self._check(request["path"], name, request["if_match"])
            record = {"path": name, "before": before, "etag": replacement.etag, "size": replacement.size}
            self._edits.put(key, request["path"], record, lambda: replacement.put(request["executable"]))
        if request["upload"]:
            self._uploads.drop(request["upload"])
        return {"etag": record["etag"], "size": record["size"], "created": created, "repeated": False}

    def _check(self, path: str, name: str, condition: str) -> tuple[bool, str]:
        """Whether the file is new, and its hash where that is needed. Raises Refusal."""
        real, fd = real_target(self._workspace, path)
        if fd >= 0:
            os.close(fd)
        if real != name:
            raise Refusal("FILE_CHANGED", f"{path!r} leads elsewhere than a moment ago.")
        is_new, etag = fd < 0, ("" if fd < 0 else self._edits.state_of(name))
        if condition and (is_new if condition == "*" else not is_new if condition == "absent" else etag != condition):
            raise Refusal("FILE_CHANGED", f"{path!r} is not what it was." if not is_new else f"{path!r} is not there.")
        return is_new, etag
