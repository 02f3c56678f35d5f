"""The page's files: one index for all of the page's own addresses, hashed files kept by browsers for ever."""

import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import anyio.to_thread

from services.gateway.convert import headers_of
from services.gateway.rest.replies import Headers, json_reply, reply, text_reply

MISSING = "The page has not been built here. `make up` builds it; REST, gRPC and the stream work without it.\n"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("font/woff2", ".woff2")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Page:
    """Serves what `make web` wrote into `dist`; nothing outside of it can be named."""

    def __init__(self, dist: Path) -> None:
        self._dist = dist

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A file, the index, or a plain word."""
        if scope["method"] not in ("GET", "HEAD"):
            await json_reply(send, 405, {"detail": "Method Not Allowed"})
            return
        accepted = headers_of(scope["headers"]).get("accept-encoding", "")
        found = await anyio.to_thread.run_sync(self._load, scope["path"], accepted)
        if found is None:
            await self._absent(scope["path"], send)
            return
        headers, body = found
        await reply(send, 200, headers, b"" if scope["method"] == "HEAD" else body)

    async def _absent(self, path: str, send: Send) -> None:
        if (self._dist / "index.html").is_file():
            await json_reply(send, 404, {"detail": "Not Found"})
        else:
            await text_reply(send, 503, MISSING)

    def _load(self, path: str, accepted: str) -> tuple[Headers, bytes] | None:
        file = self._file(path)
        if file is None:
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind.endswith(("json", "xml")):
            kind += "; charset=utf-8"
        hashed = file.parent == self._dist.resolve() / "assets"
        keep = b"public, max-age=31536000, immutable" if hashed else b"no-cache"
        headers = [(b"content-type", kind.encode()), (b"cache-control", keep), (b"vary", b"accept-encoding")]
        for name, suffix in ENCODINGS:
            packed = file.with_name(file.name + suffix)
            if name in accepted and packed.is_file():
                return [*headers, (b"content-encoding", name.encode())], packed.read_bytes()
        return headers, file.read_bytes()

    def _file(self, path: str) -> Path | None:
        """The file of a path. A path without a dot in its last part is an address of the page: the index."""
        root = self._dist.resolve()
        try:
            wanted = (root / path.lstrip("/")).resolve()
            if wanted.is_relative_to(root) and wanted.is_file():
                return wanted
        except (OSError, ValueError):
            # A name that no file can have: too long, or with a NUL in it.
            return None
        index = root / "index.html"
        is_file_name = "." in path.rpartition("/")[2] or path.startswith("/assets/")
        return index if index.is_file() and not is_file_name else None
