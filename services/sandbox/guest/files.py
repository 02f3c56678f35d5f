"""Looking at one file of the workspace: what it is, a range of it, all of it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any

from .beneath import Beneath, refusal
from .frames import Refusal
from .names import shown
from .streams import Stream

MAX_READ = 1024 * 1024
MAX_HASHED = 16 * 1024 * 1024
PART = 64 * 1024
KINDS = ((stat.S_ISREG, "FILE"), (stat.S_ISDIR, "FOLDER"), (stat.S_ISLNK, "LINK"))


def read_file(workspace: Beneath, path: str, offset: int, limit: int) -> tuple[dict[str, Any], bytes]:
    """A range of a file, its size, and the hash of the whole if that is not too much work."""
    fd = workspace.open_file(path)
    try:
        size = os.fstat(fd).st_size
        data = _pread(fd, min(limit or MAX_READ, MAX_READ), offset)
        return {"size": size, "etag": digest_of(fd) if size <= MAX_HASHED else ""}, data
    except OSError as error:
        raise refusal(error, path) from None
    finally:
        os.close(fd)


def stat_file(workspace: Beneath, path: str, follow: bool, with_etag: bool) -> tuple[dict[str, Any], bytes]:
    """What is known of a file, folder or link."""
    name = workspace.relative(path)
    try:
        fd = workspace.open(name, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        raise refusal(error, path) from None
    try:
        about = os.fstat(fd)
        target = os.readlink("", dir_fd=fd) if stat.S_ISLNK(about.st_mode) else ""
    finally:
        os.close(fd)
    is_hashed = with_etag and stat.S_ISREG(about.st_mode) and about.st_size <= MAX_HASHED
    etag = read_file(workspace, path, 0, 1)[0]["etag"] if is_hashed else ""
    return {**_info(name, about), "link_target": shown(target), "etag": etag}, b""


def download(workspace: Beneath, request: dict[str, Any], stream: Stream) -> tuple[dict[str, Any], bytes]:
    """A file from `offset` on, as it was when it was opened, in parts."""
    path = request["path"]
    fd = workspace.open_file(path)
    try:
        about = _info(workspace.relative(path), os.fstat(fd))
        if request["if_version"] not in ("", about["version"]):
            raise Refusal("FILE_CHANGED", f"{path!r} is not what it was.")
        offset, end = request["offset"], about["size"]
        if request["length"]:
            end = min(end, offset + request["length"])
        is_read = stream.send({"file": about})
        while is_read and offset < end:
            part = os.pread(fd, min(PART, end - offset), offset)
            if not part:
                raise Refusal("FILE_CHANGED", f"{path!r} became shorter while it was read.")
            offset += len(part)
            is_read = stream.send({}, part)
        return {}, b""
    except OSError as error:
        raise refusal(error, path) from None
    finally:
        os.close(fd)


def digest_of(fd: int) -> str:
    """SHA-256 of an open file from its beginning, hex."""
    digest = hashlib.sha256()
    offset = 0
    while True:
        part = os.pread(fd, 1 << 18, offset)
        if not part:
            return digest.hexdigest()
        digest.update(part)
        offset += len(part)


def version_of(about: os.stat_result) -> str:
    """Another one after every change."""
    parts = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    return "-".join(f"{number:x}" for number in parts)


def _pread(fd: int, size: int, offset: int) -> bytes:
    """Beyond the largest offset there is nothing, as beyond every file's end."""
    return os.pread(fd, size, offset) if offset < 2**63 - size else b""


def _info(name: str, about: os.stat_result) -> dict[str, Any]:
    kind = next((kind for is_kind, kind in KINDS if is_kind(about.st_mode)), "OTHER")
    return {
        "path": "" if name == "." else shown(name),
        "kind": kind,
        "size": about.st_size if kind in ("FILE", "LINK") else 0,
        "modify_ns": about.st_mtime_ns,
        "executable": kind == "FILE" and bool(about.st_mode & 0o111),
        "version": version_of(about),
        "link_target": "",
        "etag": "",
    }
