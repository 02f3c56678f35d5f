"""Folders made, files moved and removed, archives unpacked: once for a key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from . import unpacking
from .beneath import Beneath, refusal, rename
from .edits import Edits
from .frames import Refusal
from .journal import Journal
from .removing import remove_all
from .uploads import Uploads

REFUSED = {"refused": True}  # under this key nothing was done


class Changes:
    """Each is written down when it begins and when it is done. What a helper that died had begun is done again."""

    def __init__(self, workspace: Beneath, journal: Journal, edits: Edits, uploads: Uploads) -> None:
        self._workspace = workspace
        self._journal = journal
        self._edits = edits
        self._uploads = uploads
        self._begun = {key for key, record in journal.edits.items() if record.get("begun")}

    def make_directory(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Makes a folder and those above it."""

        def act(_: bool) -> dict[str, Any]:
            name = self._workspace.relative(request["path"])
            try:
                os.close(self._workspace.open(name, os.O_PATH | os.O_DIRECTORY))
                return {"created": False}
            except NotADirectoryError as error:
                raise Refusal("FILE_EXISTS", f"{request['path']!r} is there already, and no folder.") from error
            except FileNotFoundError:
                os.close(self._workspace.make_folder(name))
                return {"created": True}

        return self._once(request, {"created": False}, act)

    def move(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Moves an entry in one step."""
        path, new_path = request["path"], request["new_path"]

        def act(again: bool) -> dict[str, Any]:
            source, name = self._workspace.parent(path)
            try:
                if again and not _is_there(source, name):
                    return {}
                os.stat(name, dir_fd=source, follow_symlinks=False)
                target, new_name = self._workspace.parent(new_path, make=True)
                try:
                    rename(source, name, target, new_name, request["overwrite"])
                except FileExistsError as error:
                    raise refusal(error, new_path) from None
                finally:
                    os.close(target)
            finally:
                os.close(source)
            return {}

        return self._once(request, {}, act)

    def remove(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Removes an entry."""

        def act(again: bool) -> dict[str, Any]:
            parent, base = self._workspace.parent(request["path"])
            try:
                if again and not _is_there(parent, base):
                    return {"removed": 0}
                is_folder = stat.S_ISDIR(os.stat(base, dir_fd=parent, follow_symlinks=False).st_mode)
                if is_folder and request["recursive"]:
                    return {"removed": remove_all(parent, base)}
                (os.rmdir if is_folder else os.unlink)(base, dir_fd=parent)
                return {"removed": 1}
            finally:
                os.close(parent)

        return self._once(request, {"removed": 0}, act)

    def unpack(self, request: dict[str, Any], blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Unpacks an archive below a folder."""

        def act(again: bool) -> dict[str, Any]:
            overwrite = request["overwrite"] or again
            if not request["upload"]:
                return unpacking.unpack(self._workspace, request["path"], unpacking.Packed.of(blob), overwrite)
            fd = self._uploads.take(request["upload"], request["size"])
            try:
                packed = unpacking.Packed(fd, request["size"])
                told = unpacking.unpack(self._workspace, request["path"], packed, overwrite)
            finally:
                os.close(fd)
            self._uploads.drop(request["upload"])
            return told

        return self._once(request, {"entries": 0, "bytes": 0}, act)

    def _once(
        self, request: dict[str, Any], empty: dict[str, Any], act: Callable[[bool], dict[str, Any]]
    ) -> tuple[dict[str, Any], bytes]:
        key = request["id"]
        with self._journal.admitted(request["epoch"]), self._edits.lock:
            known = self._journal.edits.get(key)
            known = None if known is not None and known.get("refused") else known
            again = key in self._begun
            if (known is not None or self._journal.is_old(key)) and not again:
                return {**empty, **(known or {}).get("told", {}), "repeated": True}, b""
            self._journal.edit(key, {"begun": True})
            try:
                told = act(again)
            except OSError as error:
                self._journal.edit(key, REFUSED)
                raise refusal(error, request["path"]) from None
            except Refusal:
                self._journal.edit(key, REFUSED)
                raise
            self._journal.edit(key, {"told": told})
            self._begun.discard(key)
            return {**told, "repeated": False}, b""


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
