"""Which requests exist. The raw path must be, byte for byte, the session's own; everything else is refused."""

import re
from collections.abc import Iterable

from services.integrations.domain.models import Gate
from services.integrations.ports import GitCall

INFO_REFS, UPLOAD_PACK, RECEIVE_PACK = "info/refs", "git-upload-pack", "git-receive-pack"
_SERVICES = (UPLOAD_PACK, RECEIVE_PACK)
_PROTOCOL = re.compile(rb"version=[012]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
Headers = Iterable[tuple[bytes, bytes]]


class Refusal(Exception):
    """An answer that the gate gives itself; the text is for the agent and holds nothing secret."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def route(gate: Gate | None, method: bytes, target: bytes, headers: Headers) -> GitCall:
    """The upstream call of a request. Raises Refusal."""
    if gate is None:
        raise Refusal(403, "The git gate of this session is closed.")
    path, _, query = target.partition(b"?")
    root = gate.path.encode()
    if not path.startswith(root):
        raise Refusal(403, f"Only {gate.repository.clone_url} can be reached from this session.")
    return _endpoint(gate, method, path.removeprefix(root), query if b"?" in target else None, _single(headers))


def _single(headers: Headers) -> dict[bytes, bytes]:
    """Header values by lower-case name. A repeated header that the rules look at would be read two ways: refused."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in found and name in {b"content-type", b"content-encoding", b"git-protocol"}:
            raise Refusal(400, "A header is there twice.")
        found[name] = value
    return found


def _endpoint(gate: Gate, method: bytes, endpoint: bytes, query: bytes | None, headers: dict[bytes, bytes]) -> GitCall:
    if method == b"GET" and endpoint == INFO_REFS.encode():
        for service in _SERVICES:
            if query == f"service={service}".encode():
                return _call(gate, INFO_REFS, headers, query=f"service={service}")
    if method == b"POST" and query is None:
        for service in _SERVICES:
            if endpoint == service.encode():
                return _service(gate, service, headers)
        if endpoint.startswith(b"info/lfs/"):
            raise Refusal(403, "Git LFS does not pass this gate. Clone with GIT_LFS_SKIP_SMUDGE=1.")
    raise Refusal(403, "Only fetch and push by git's smart HTTP pass this gate.")


def _service(gate: Gate, service: str, headers: dict[bytes, bytes]) -> GitCall:
    content_type = f"application/x-{service}-request"
    if headers.get(b"content-type") != content_type.encode():
        raise Refusal(415, f"The content type must be {content_type}.")
    encoding = headers.get(b"content-encoding", b"")
    allowed = (b"", b"gzip") if service == UPLOAD_PACK else (b"",)
    if encoding not in allowed:
        raise Refusal(415, "The body of this request may not be encoded.")
    return _call(gate, service, headers, content_type=content_type, content_encoding=encoding.decode())


def _call(
    gate: Gate,
    endpoint: str,
    headers: dict[bytes, bytes],
    query: str = "",
    content_type: str = "",
    content_encoding: str = "",
) -> GitCall:
    protocol = headers.get(b"git-protocol", b"")
    length = headers.get(b"content-length", b"")
    return GitCall(
        base_url=gate.base_url,
        full_name=gate.repository.full_name,
        endpoint=endpoint,
        query=query,
        content_type=content_type,
        content_encoding=content_encoding,
        protocol=protocol.decode() if _PROTOCOL.fullmatch(protocol) else "",
        length=int(length) if _LENGTH.fullmatch(length) else None,
    )
