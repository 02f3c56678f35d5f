"""Names that are no text, or that mean something to a shell, and files that are too large or too many."""

import asyncio

import pytest
from lucid.sandbox.v1 import files_pb2 as fpb

from tests.contract.launchers.attacks.conftest import Refused
from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ask, download, paths, refusal, search

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = {
    "substitution": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "semicolon": "; touch pwned #",
    "quotes": "'\"; touch pwned; '",
    "option": "-rf",
    "option with a value": "--upload-pack=touch pwned",
    "wildcard": "*",
    "home": "~",
    "newline": "a\nb",
    "carriage return and escape": "a\r\x1b[2Jb",
    "right to left": "a\u202egnp.exe",
    "spaces": "  a  ",
    "percent": "%00%2e%2e",
    "backslash": "..\\..\\etc",
    "emoji": "😀e\u0301",
    "not UTF-8": "\U0010feff\U0010fe80x",
    "half of a character": "\U0010fec3",
    "looks like an escape": "\U0010fef4\U0010fe8f\U0010febb\U0010febf",
    "dots": "...",
    "longest": "n" * 255,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_any_name_survives_and_none_is_obeyed(shared: Bench, name: str) -> None:
    folder = shared.key()
    path = f"{folder}/{name}"
    await ask(shared, "WriteFile", path=path, content=b"needle\n")
    assert (await ask(shared, "StatFile", path=path)).file.path == path
    assert await paths(shared, path=folder) == [path]
    assert (await shared.read(path)).data == await download(shared, path) == b"needle\n"
    assert [match.path for match in (await search(shared, "needle", path=folder))[0]] == [path]
    edited = await shared.edit(path, replace={"old_text": "needle", "new_text": "changed"})
    assert edited.added == 1
    *parts, last = await ask(shared, "ExportArchive", path=folder)
    assert last.done.entries == 1
    archive = b"".join(part.data for part in parts)
    await ask(shared, "ImportArchive", path=f"{folder}/again", archive=archive)
    await ask(shared, "MoveFile", path=path, new_path=f"{folder}/deeper/{name}")
    assert await paths(shared, path=f"{folder}/again") == [f"{folder}/again/{name}"]
    assert (await ask(shared, "RemoveFile", path=f"{folder}/deeper/{name}")).removed == 1
    await ask(shared, "RemoveFile", path=folder, recursive=True)
    assert (
        await shared.run("find / -xdev -name pwned 2>/dev/null; find /workspace /tmp /var/lib/lucid -name pwned")
    ).output == b""


async def test_a_sparse_file_of_9_gb(shared: Bench, refused: Refused) -> None:
    await shared.run("mkdir sparse; truncate -s 9G sparse/file; printf end >>sparse/file")
    size = 9 * 2**30
    assert (await ask(shared, "StatFile", path="sparse/file", with_etag=True)).file.size == size + 3
    assert (await shared.read("sparse/file", offset=size)).data == b"end"
    assert await download(shared, "sparse/file", offset=size - 100_000) == bytes(100_000) + b"end"
    assert (await shared.read("sparse/file", offset=2**64 - 1)).data == b""
    edit = shared.edit("sparse/file", replace={"old_text": "end", "new_text": ""})
    assert await refused(edit) == "FILE_TOO_LARGE"
    assert await refused(ask(shared, "ExportArchive", path="sparse")) == "ARCHIVE_TOO_LARGE"
    assert await search(shared, "end", path="sparse") == ([], "COMPLETE")
    assert await refused(ask(shared, "WriteFile", path="sparse/file", if_match="absent")) == "FILE_CHANGED"
    assert (await ask(shared, "RemoveFile", path="sparse", recursive=True)).removed == 2


async def test_100000_entries(shared: Bench) -> None:
    make = (
        "import os; os.mkdir('crowd'); [os.close(os.open(f'crowd/{n:06}', os.O_CREAT, 0o600)) for n in range(100_000)]"
    )
    assert (await shared.run(f'python3 -c "{make}"')).exit.exit_code == 0
    page = await ask(shared, "ListTree", path="crowd", max_entries=20_000)
    assert (len(page.entries), page.entries[0].path, page.truncated) == (20_000, "crowd/000000", True)
    rest = await ask(shared, "ListTree", path="crowd", max_entries=20_000, page_token="099990")
    assert [entry.path for entry in rest.entries] == [f"crowd/09999{n}" for n in range(1, 10)]
    found, reason = await search(shared, "5", path="crowd", target="TARGET_NAMES", max_results=10, time_limit_ms=30_000)
    assert (len(found), reason) == (10, "RESULTS")
    assert (await ask(shared, "RemoveFile", path="crowd", recursive=True)).removed == 100_001
    memory = (await shared.run("grep VmHWM /proc/$PPID/status")).output
    assert int(memory.split()[1]) < 200_000


async def test_many_at_once_are_refused_and_not_queued(shared: Bench) -> None:
    """33 readers who do not read: the last one is told, and everybody else still gets answers."""
    await shared.run("truncate -s 20M held")

    asked = fpb.DownloadFileRequest(sandbox_id=shared.sandbox_id, path="held")
    readers = [shared.client.download_file(asked) for _ in range(32)]
    try:
        await asyncio.gather(*(anext(reader) for reader in readers))
        assert await refusal(ask(shared, "DownloadFile", path="held")) == "SANDBOX_BUSY"
        assert (await ask(shared, "StatFile", path="held")).file.size == 20 * 2**20
    finally:
        for reader in readers:
            await reader.aclose()
