"""Every RPC that takes a path, attacked by paths and links that lead out, and by names that are none."""

import asyncio

import pytest

from tests.contract.launchers.attacks.conftest import CANARY, Refused
from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ENTERING, EVERY, FOLLOWING, NAMING, ask, search

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAYS_OUT = [
    *("../tmp/outside/secret", "inner/../../tmp/outside/secret", "/tmp/outside/secret", "/workspacex/file"),
    *("/workspace/../tmp/outside/secret", "/proc/self/environ", "/proc/1/root/tmp/outside/secret", "in\0ner"),
    *("out/secret", "out/sub/secret", "chain2/secret", "root/tmp/outside/secret", "magic/secret", "inner/up/secret"),
    *("fds/0", "within/up/sub/secret", "../workspace/../tmp/outside/secret", "..", "/", "//tmp/outside/secret"),
]
ENDS_IN_A_LINK = ["absolute", "upwards", "chain2", "root", "magic", "inner/up"]
NO_NAMES = ["n" * 256, "inner/" + "ä" * 200, "d/" * 1990 + "d", "loop", "loop/x", "inner/file/below"]


@pytest.mark.parametrize("path", WAYS_OUT)
@pytest.mark.parametrize("rpc", EVERY)
async def test_no_path_leads_out(ground: Bench, refused: Refused, rpc: str, path: str) -> None:
    assert await refused(EVERY[rpc](ground, path)) == "PATH_OUTSIDE_WORKSPACE"


@pytest.mark.parametrize("path", ENDS_IN_A_LINK)
@pytest.mark.parametrize("rpc", [*FOLLOWING, *ENTERING, "ImportArchive"])
async def test_no_link_leads_out(ground: Bench, refused: Refused, rpc: str, path: str) -> None:
    calls = {**FOLLOWING, **ENTERING, "ImportArchive": unpacked_below}
    found = await refused(calls[rpc](ground, path))
    assert found == ("FILE_EXISTS" if rpc == "ImportArchive" else "PATH_OUTSIDE_WORKSPACE")


async def unpacked_below(bench: Bench, path: str) -> object:
    """An archive of one file, to be unpacked where a link is."""
    *parts, _ = await ask(bench, "ExportArchive", path="inner")
    return await ask(bench, "ImportArchive", path=path, archive=b"".join(part.data for part in parts))


@pytest.mark.parametrize("rpc", NAMING)
async def test_a_link_itself_is_moved_or_removed_and_what_it_leads_to_is_not(ground: Bench, rpc: str) -> None:
    if rpc == "MakeDirectory":
        return
    await ground.run("ln -sfn out own-link; echo movable >movable")
    await NAMING[rpc](ground, "own-link")
    if rpc == "MoveFile":
        assert (await ground.run("readlink moved-away; rm moved-away")).output == b"out\n"


@pytest.mark.parametrize("path", NO_NAMES, ids=lambda path: path[:12])
@pytest.mark.parametrize("rpc", [*FOLLOWING, *ENTERING])
async def test_what_is_not_there_or_no_name(ground: Bench, refused: Refused, rpc: str, path: str) -> None:
    await ground.run("ln -sfn loop loop")
    if rpc in ("WriteFile", "EditFile") and path.startswith(("d/", "loop")):
        return  # a new file of a legal name; test_file_changes removes a deeper one
    assert await refused(EVERY[rpc](ground, path)) == "FILE_NOT_FOUND"


@pytest.mark.parametrize("rpc", EVERY)
async def test_a_path_of_2100_parts_is_refused_at_the_door(ground: Bench, refused: Refused, rpc: str) -> None:
    assert await refused(EVERY[rpc](ground, "d/" * 2100)) == "INVALID_REQUEST"


@pytest.mark.parametrize("place", ["pipe", "socket", "folder"])
@pytest.mark.parametrize("rpc", ["ReadFile", "DownloadFile", "WriteFile", "EditFile"])
async def test_what_is_no_file_is_refused_at_once(ground: Bench, refused: Refused, rpc: str, place: str) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('sp/socket')"
    await ground.run(
        f'mkdir -p sp/folder; cd sp; [ -e pipe ] || mkfifo pipe; cd ..; [ -e sp/socket ] || python3 -c "{bind}"'
    )
    async with asyncio.timeout(5):
        assert await refused(EVERY[rpc](ground, f"sp/{place}")) == "NOT_A_FILE"


@pytest.mark.parametrize("rpc", ["ReadFile", "DownloadFile", "WriteFile", "EditFile", "StatFile"])
async def test_a_device_through_a_link_is_not_reached(ground: Bench, refused: Refused, rpc: str) -> None:
    await ground.run("ln -sfn /dev/zero zero")
    async with asyncio.timeout(5):
        assert await refused(EVERY[rpc](ground, "zero")) == "PATH_OUTSIDE_WORKSPACE"


async def test_whoever_looks_around_neither_follows_nor_waits(ground: Bench) -> None:
    await ground.run(
        "mkdir -p la; [ -e la/pipe ] || mkfifo la/pipe; ln -sfn /dev/zero la/zero; ln -sfn /tmp/outside la/out"
    )
    async with asyncio.timeout(10):
        found, reason = await search(ground, "CANARY", include_hidden=True)
        *parts, last = await ask(ground, "ExportArchive", path="la")
        tree = await ask(ground, "ListTree", path="la")
    assert (found, reason) == ([], "COMPLETE")
    assert CANARY not in b"".join(part.data for part in parts)
    assert (last.done.entries, last.done.bytes, last.done.skipped) == (2, 0, 1)
    assert [entry.path for entry in tree.entries] == ["la/out", "la/pipe", "la/zero"]


async def test_a_hard_link_to_the_outside_cannot_be_made(ground: Bench) -> None:
    """It would pass every check of a path: no file system is shared with the outside."""
    for target in ("/tmp/outside/secret", "/etc/passwd", "/usr/bin/env"):
        assert (await ground.run(f"ln {target} hard")).exit.exit_code != 0
