"""Changing one file: the whole of it, a text in it, or lines after a line. Never half, never twice for one key."""
# ruff: noqa: PTH115

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import uuid
from typing import Any

from .beneath import RESOLVE_NO_SYMLINKS, Beneath, refusal
from .frames import Refusal
from .journal import Journal

MAX_FILE = 16 * 1024 * 1024


class Edits:
    """Applies edits. The intent is in the journal with the content's hash before the file is replaced."""

    def __init__(self, workspace: Beneath, journal: Journal) -> None:
        self._workspace = workspace
        self._journal = journal
        self._lock = threading.Lock()
        self._inherited = set(journal.edits)

    def apply(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Does what `request` says, or tells what it did before under the same key."""
        key, path = request["id"], request["path"]
        with self._journal.admitted(request.get("epoch", 0)), self._lock:
            known = self._journal.edits.get(key)
            if known is not None and self._was_done(key, known):
                return {"etag": known["etag"], "lines": known["lines"], "repeated": True}, b""
            if known is None and self._journal.is_old(key):
                return {"etag": "", "lines": 0, "repeated": True}, b""
            name, old = self._read(path)
            new = _changed(request, blob, path, old)
            if len(new) > MAX_FILE:
                raise Refusal("FILE_TOO_LARGE", f"{path!r} would be larger than {MAX_FILE} bytes.")
            record = {"path": name, "before": _etag(old), "etag": _etag(new), "lines": _lines(new)}
            self._journal.edit(key, record)
            self._inherited.discard(key)
            try:
                self._replace(name, new)
            except OSError as error:
                self._inherited.add(key)  # not done: a repeat looks at the file
                raise refusal(error, path) from None
            return {"etag": record["etag"], "lines": record["lines"], "repeated": False}, b""

    def _was_done(self, key: str, record: dict[str, Any]) -> bool:
        """A key of a helper that died may have been written down and not done: then the file is as it was before."""
        if key not in self._inherited:
            return True
        try:
            _, content = self._read(record["path"])
        except Refusal:
            return True
        before: str = record["before"]
        return _etag(content) != before or before == record["etag"]

    def _read(self, path: str) -> tuple[str, bytes | None]:
        """The file's real name from the root, and its content; None if it is not there."""
        name = self._workspace.relative(path)
        try:
            fd = self._workspace.open_file(path)
        except Refusal as error:
            if error.reason != "FILE_NOT_FOUND":
                raise
            return name, None
        try:
            if os.fstat(fd).st_size > MAX_FILE:
                raise Refusal("FILE_TOO_LARGE", f"{path!r} is larger than {MAX_FILE} bytes.")
            with os.fdopen(os.dup(fd), "rb") as file:
                content = file.read(MAX_FILE + 1)
            # Through a link inside the workspace the file itself is replaced, not the link.
            return self._workspace.relative(os.readlink(f"/proc/self/fd/{fd}")), content
        except OSError as error:
            raise refusal(error, path) from None
        finally:
            os.close(fd)

    def _replace(self, name: str, content: bytes) -> None:
        folder_name, _, base = name.rpartition("/")
        folder = self._folder(folder_name)
        temporary = f".lucid-{uuid.uuid4().hex}"
        try:
            mode = _mode(folder, base)
            fd = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(content)
                    os.fchmod(file.fileno(), mode)
                os.rename(temporary, base, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise
        finally:
            os.close(folder)

    def _folder(self, name: str) -> int:
        """The folder of a file, made where it is missing, without passing through any link."""
        made = ""
        for part in name.split("/") if name else []:
            parent = self._workspace.open(made or ".", os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
            try:
                os.mkdir(part, 0o755, dir_fd=parent)
            except FileExistsError:
                if stat.S_ISLNK(os.stat(part, dir_fd=parent, follow_symlinks=False).st_mode):
                    return self._through_links(name)
            finally:
                os.close(parent)
            made = f"{made}/{part}" if made else part
        return self._workspace.open(name or ".", os.O_RDONLY | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)

    def _through_links(self, name: str) -> int:
        """A new file behind a linked folder: the folder must be there, and beneath the root."""
        return self._workspace.open(name, os.O_RDONLY | os.O_DIRECTORY)


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


def _mode(folder: int, base: str) -> int:
    try:
        return stat.S_IMODE(os.stat(base, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0o644
