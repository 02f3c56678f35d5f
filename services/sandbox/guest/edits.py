"""Changing one file: the whole of it, a text in it, or lines after a line. Never half, never twice for one key."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from typing import Any

from .beneath import Beneath, refusal
from .difference import NOTHING, difference
from .files import digest_of, version_of
from .frames import Refusal
from .journal import Journal
from .names import shown
from .replacing import Replacement, real_target

MAX_FILE = 16 * 1024 * 1024
EMPTY = {"etag": "", "lines": 0, "size": 0, "added": 0, "removed": 0}


class Edits:
    """Applies edits. The intent is in the journal with the content's hash before the file is replaced."""

    def __init__(self, workspace: Beneath, journal: Journal) -> None:
        self._workspace = workspace
        self._journal = journal
        self.lock = threading.Lock()  # of whatever changes files for a caller
        self._inherited = set(journal.edits)

    def apply(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Does what `request` says, or tells what it did before under the same key."""
        key, path = request["id"], request["path"]
        with self._journal.admitted(request.get("epoch", 0)), self.lock:
            known = self.known(key)
            if known is not None:
                return {**NOTHING, **known, "repeated": True}, b""
            name, old = self._read(path)
            new = _changed(request, blob, path, old)
            if len(new) > MAX_FILE:
                raise Refusal("FILE_TOO_LARGE", f"{path!r} would be larger than {MAX_FILE} bytes.")
            told = difference(shown(name), old, new)
            record = {"path": name, "before": _etag(old), "etag": _etag(new), "lines": _lines(new)}
            record.update({count: told[count] for count in ("added", "removed")})
            self.put(key, path, record, lambda: self._replace(name, new))
            return {**told, "etag": record["etag"], "lines": record["lines"], "repeated": False}, b""

    def known(self, key: str) -> dict[str, Any] | None:
        """What was done under this key; None if nothing was."""
        known = self._journal.edits.get(key)
        if known is not None and known.get("refused"):  # a change of another kind that was refused
            return None
        if known is not None and self._was_done(key, known):
            return {**EMPTY, **known}
        return dict(EMPTY) if known is None and self._journal.is_old(key) else None

    def put(self, key: str, path: str, record: dict[str, Any], replace: Callable[[], None]) -> None:
        """Writes down what is to be done, and does it."""
        self._journal.edit(key, record)
        self._inherited.discard(key)
        try:
            replace()
        except OSError as error:
            self._inherited.add(key)  # not done: a repeat looks at the file
            raise refusal(error, path) from None

    def _was_done(self, key: str, record: dict[str, Any]) -> bool:
        """A key of a helper that died may have been written down and not done: then the file is as it was before."""
        if key not in self._inherited or "before" not in record:
            return True
        before: str = record["before"]
        return self.state_of(record["path"]) != before or before == record["etag"]

    def state_of(self, path: str) -> str:
        """The etag of a file, or what stands for it if it is large; empty if it is not there, or is no file."""
        try:
            fd = self._workspace.open_file(path)
        except Refusal:
            return ""
        try:
            about = os.fstat(fd)
            return digest_of(fd) if about.st_size <= MAX_FILE else f"large:{version_of(about)}"
        finally:
            os.close(fd)

    def _read(self, path: str) -> tuple[str, bytes | None]:
        """The file's real name from the root, and its content; None if it is not there."""
        name, fd = real_target(self._workspace, path)
        if fd < 0:
            return name, None
        with os.fdopen(fd, "rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise Refusal("FILE_TOO_LARGE", f"{path!r} is larger than {MAX_FILE} bytes.")
        return name, content

    def _replace(self, name: str, content: bytes) -> None:
        replacement = Replacement(self._workspace, name)
        try:
            replacement.write(content)
            replacement.put()
        finally:
            replacement.drop()


def _changed(request: dict[str, Any], blob: bytes, path: str, old: bytes | None) -> bytes:
    first, second = blob[: request["split"]], blob[request["split"] :]
    kind = request["kind"]
    if kind == "create":
        if old is not None and not request["overwrite"]:
            raise Refusal("FILE_EXISTS", f"{path!r} is there already.")
        return first
    if old is None:
        raise Refusal("FILE_NOT_FOUND", f"There is no file {path!r}.")
    return (
        _replaced(old, first, second, path) if kind == "replace" else _inserted(old, request["after_line"], first, path)
    )


def _replaced(content: bytes, old: bytes, new: bytes, path: str) -> bytes:
    at = content.find(old)
    if at < 0:
        raise Refusal("EDIT_NO_MATCH", f"The text is not in {path!r}.")
    if content.find(old, at + 1) >= 0:
        raise Refusal("EDIT_AMBIGUOUS", f"The text occurs more than once in {path!r}.")
    return content[:at] + new + content[at + len(old) :]


def _inserted(content: bytes, after_line: int, text: bytes, path: str) -> bytes:
    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    if after_line > len(lines):
        raise Refusal("EDIT_NO_MATCH", f"{path!r} has {len(lines)} lines.")
    if after_line and not lines[after_line - 1].endswith(b"\n"):
        lines[after_line - 1] += b"\n"
    return b"".join([*lines[:after_line], text if text.endswith(b"\n") else text + b"\n", *lines[after_line:]])


def _lines(content: bytes) -> int:
    return content.count(b"\n") + (1 if content and not content.endswith(b"\n") else 0)


def _etag(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()
