"""Short ways to call what files.proto offers, in a sandbox of a bench."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from google.protobuf.message import Message
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench

KEYS = {"WriteFile": "write_id", "EditFile": "edit_id"}
CHANGING = frozenset({"MakeDirectory", "MoveFile", "RemoveFile", "ImportArchive", "WriteFile", "EditFile"})


def request_of(rpc: str) -> type[Message]:
    """The request of an RPC."""
    found: type[Message] = getattr(fpb, f"{rpc}Request", None) or getattr(pb, f"{rpc}Request")
    return found


async def ask(bench: Bench, rpc: str, **fields: Any) -> Any:
    """The answer, or all parts of it. Changes get a new key unless one is given."""
    if rpc in CHANGING:
        fields.setdefault(KEYS.get(rpc, "change_id"), bench.key())
    name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in rpc).lstrip("_")
    answer = getattr(bench.client, name)(request_of(rpc)(sandbox_id=bench.sandbox_id, **fields))
    return [part async for part in answer] if isinstance(answer, AsyncIterator) else await answer


async def refusal(call: Awaitable[Any]) -> str:
    """The reason for which it is refused."""
    with pytest.raises(RemoteError) as refused:
        await call
    return refused.value.reason


async def paths(bench: Bench, **fields: Any) -> list[str]:
    """What ListTree lists, over all pages."""
    found: list[str] = []
    token = ""
    while True:
        page = await ask(bench, "ListTree", page_token=token, **fields)
        found += [entry.path for entry in page.entries]
        token = page.next_page_token
        if not token:
            return found


async def download(bench: Bench, path: str, **fields: Any) -> bytes:
    """A file's bytes, by the stream."""
    return b"".join([part.data for part in await ask(bench, "DownloadFile", path=path, **fields)])


async def upload(bench: Bench, data: bytes, step: int = 2**21) -> fpb.Upload:
    """Sends a file in parts."""
    key = bench.key()
    for offset in range(0, len(data) or 1, step):
        part = data[offset : offset + step]
        answer = await ask(bench, "WriteFilePart", upload_id=key, offset=offset, data=part)
        assert answer.size == offset + len(part)
    return fpb.Upload(upload_id=key, size=len(data))


async def search(bench: Bench, query: str, **fields: Any) -> tuple[list[fpb.SearchFilesResponse.Match], str]:
    """What is found, and why the search ended."""
    *parts, last = await ask(bench, "SearchFiles", query=query, **fields)
    reason = fpb.SearchFilesResponse.Done.Reason.Name(last.done.reason).removeprefix("REASON_")
    return [match for part in parts for match in part.matches.matches], reason


# Every RPC that takes a path, as it is attacked by one. `follows`: a link at the end of the path leads on.
OnPath = Callable[[Bench, str], Awaitable[Any]]
FOLLOWING: Mapping[str, OnPath] = {
    "StatFile": lambda bench, path: ask(bench, "StatFile", path=path, follow=True, with_etag=True),
    "ReadFile": lambda bench, path: ask(bench, "ReadFile", path=path),
    "DownloadFile": lambda bench, path: ask(bench, "DownloadFile", path=path),
    "WriteFile": lambda bench, path: ask(bench, "WriteFile", path=path, content=b"planted"),
    "EditFile": lambda bench, path: ask(
        bench, "EditFile", path=path, create=pb.EditFileRequest.Create(content="planted", overwrite=True)
    ),
}
ENTERING: Mapping[str, OnPath] = {
    "ListTree": lambda bench, path: ask(bench, "ListTree", path=path),
    "SearchFiles": lambda bench, path: ask(bench, "SearchFiles", path=path, query="CANARY"),
    "ExportArchive": lambda bench, path: ask(bench, "ExportArchive", path=path),
    "CreateSnapshot": lambda bench, path: ask(bench, "CreateSnapshot", path=path),
}
NAMING: Mapping[str, OnPath] = {
    "MakeDirectory": lambda bench, path: ask(bench, "MakeDirectory", path=path),
    "MoveFile": lambda bench, path: ask(bench, "MoveFile", path=path, new_path="moved-away"),
    "MoveFile to": lambda bench, path: ask(bench, "MoveFile", path="movable", new_path=path, overwrite=True),
    "RemoveFile": lambda bench, path: ask(bench, "RemoveFile", path=path, recursive=True),
}
EVERY: Mapping[str, OnPath] = {**FOLLOWING, **ENTERING, **NAMING}
