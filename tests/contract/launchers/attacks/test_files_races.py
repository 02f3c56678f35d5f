"""Links that two processes inside swap as fast as they can while files are asked for by paths through them.

`RACE_SECONDS` for each group of RPCs and launcher: 1 by default, 60 before a release.
"""

import asyncio
import io
import os
import tarfile
import time
from collections import Counter
from typing import Any

import pytest

from services.rpc.status import RemoteError
from tests.contract.launchers.attacks.conftest import CANARY
from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import EVERY, OnPath, ask

SECONDS = float(os.environ.get("RACE_SECONDS", "1"))
# One swaps a link that leads in for one that leads out, the other a folder for a link that leads out.
SWAP_LINK = """
import os
while True:
    for target in ("/tmp/outside", "real"):
        os.symlink(target, "race/new"); os.rename("race/new", "race/link")
"""
SWAP_FOLDER = """
import os
while True:
    os.rename("race/folder", "race/kept"); os.symlink("/tmp/outside", "race/folder")
    os.unlink("race/folder"); os.rename("race/kept", "race/folder")
"""
GROUND = """
rm -rf race; mkdir -p race/real/sub race/folder/sub; ln -s real race/link
for f in real folder; do echo inside | tee race/$f/secret >race/$f/sub/secret; done
"""
OF_FILES = ("link/secret", "folder/secret", "link/sub/secret", "folder/sub/secret")
OF_FOLDERS = ("link", "folder", "link/sub", "folder/sub")


def packed() -> bytes:
    """An archive of one file."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as made:
        info = tarfile.TarInfo("planted")
        info.size = 6
        made.addfile(info, io.BytesIO(b"inside"))
    return content.getvalue()


ARCHIVE = packed()


async def unpack(bench: Bench, path: str) -> Any:
    return await ask(bench, "ImportArchive", path=path, archive=ARCHIVE, overwrite=True)


async def move_out_and_back(bench: Bench, path: str) -> Any:
    await ask(bench, "MoveFile", path=path, new_path=f"{path}.moved", overwrite=True)
    await ask(bench, "MoveFile", path=f"{path}.moved", new_path=path, overwrite=True)


async def remove_and_write(bench: Bench, path: str) -> Any:
    await ask(bench, "RemoveFile", path=path, recursive=True)
    await ask(bench, "WriteFile", path=path, content=b"inside\n")


GROUPS: dict[str, dict[str, tuple[OnPath, tuple[str, ...]]]] = {
    "bytes": {rpc: (EVERY[rpc], OF_FILES) for rpc in ("StatFile", "ReadFile", "DownloadFile")},
    "folders": {
        rpc: (EVERY[rpc], OF_FOLDERS) for rpc in ("ListTree", "SearchFiles", "ExportArchive", "CreateSnapshot")
    },
    "writes": {
        **{rpc: (EVERY[rpc], OF_FILES) for rpc in ("WriteFile", "EditFile")},
        "ImportArchive": (unpack, OF_FOLDERS),
    },
    "changes": {
        "MakeDirectory": (lambda bench, path: ask(bench, "MakeDirectory", path=f"{path}/made/deeper"), OF_FOLDERS),
        "MoveFile": (move_out_and_back, OF_FILES),
        "RemoveFile": (remove_and_write, OF_FILES),
    },
}


def everything_in(answer: Any) -> bytes:
    """Of an answer, or of all its parts, the bytes as they came."""
    parts = answer if isinstance(answer, list) else [answer]
    return b"".join(part.SerializeToString() for part in parts if part is not None)


async def race(bench: Bench, rpc: str, call: OnPath, paths: tuple[str, ...]) -> Counter[str]:
    """Calls one RPC on every path in turn until the time is over; how it was answered."""
    seen: Counter[str] = Counter()
    last = time.monotonic() + SECONDS
    while time.monotonic() < last or not seen:
        path = "race/" + paths[seen.total() % len(paths)]
        try:
            answer = everything_in(await call(bench, path))
            seen["escaped" if CANARY in answer else "answered"] += 1
        except RemoteError as error:
            seen[error.reason] += 1
    return seen


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("group", GROUPS)
async def test_no_swap_lets_anything_out(ground: Bench, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    await ground.run(GROUND)
    swapping = [ground.run(f"python3 -c '{text}'") for text in (SWAP_LINK, SWAP_FOLDER)]
    swappers = [asyncio.create_task(each) for each in swapping]
    try:
        counts = await asyncio.gather(*(race(ground, rpc, *how) for rpc, how in GROUPS[group].items()))
    finally:
        await ground.stop()
        await asyncio.gather(*swappers)
    with capsys.disabled():
        for rpc, seen in zip(GROUPS[group], counts, strict=True):
            print(f"\n  {rpc}: {seen.total()} calls raced, {dict(seen)}", end="")
    for seen in counts:
        assert seen["escaped"] == 0
        assert set(seen) <= {"answered", *ALLOWED}


# What a path may have become meanwhile.
ALLOWED = {
    *("PATH_OUTSIDE_WORKSPACE", "FILE_NOT_FOUND", "FILE_EXISTS", "FILE_CHANGED", "NOT_A_FILE", "FOLDER_NOT_EMPTY"),
    *("SNAPSHOT_FAILED", "FILE_FAILED"),
}
