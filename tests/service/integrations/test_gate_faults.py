"""Either side of the gate goes away in the middle: nothing is invented, nothing that happened is forgotten."""

import asyncio
import hashlib
import sys
import time
from pathlib import Path

import pytest

from services.integrations.backends.git_child import kill_group, start_git
from services.integrations.backends.git_environment import git_environment
from services.integrations.domain.pktline import FLUSH, encode
from tests.fakes.git_host import git
from tests.service.integrations.conftest import GitHubSite, Site, running_house
from tests.service.integrations.gate_road import SESSION

BRANCH = f"lucid/{SESSION}/fix"
EMPTY_PACK = b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")


def push_of(path: str, commit: str) -> bytes:
    """A whole push of a commit that the provider has already, by hand."""
    line = f"{'0' * 40} {commit} refs/heads/{BRANCH}\0 report-status side-band-64k".encode()
    body = encode(line) + FLUSH + EMPTY_PACK + hashlib.sha1(EMPTY_PACK).digest()
    head = [
        f"POST {path}git-receive-pack HTTP/1.1",
        "Host: x",
        "Content-Type: application/x-git-receive-pack-request",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def until_pushed(site: Site) -> list[str]:
    for _ in range(100):
        if found := await site.pushes():
            return [push.commit for push in found]
        await asyncio.sleep(0.05)
    return []


async def test_a_sandbox_that_leaves_after_its_push_is_recorded_all_the_same(site: Site) -> None:
    commit = git(site.bare, "rev-parse", "main")
    _, writer = await site.road.connect()
    writer.write(push_of("/local/lucid/teatime.git/", commit))
    await writer.drain()
    writer.transport.abort()
    assert await until_pushed(site) == [commit]


async def test_the_same_at_github(github_site: GitHubSite) -> None:
    repository = github_site.github.repositories["ada/secret"]
    _, writer = await github_site.road.connect()
    host = github_site.github.url.removeprefix("http://")
    writer.write(push_of(f"/{host}/ada/secret.git/", repository.branch("main")))
    await writer.drain()
    writer.transport.abort()
    assert await until_pushed(github_site) == [repository.branch("main")]
    assert repository.branch(BRANCH) == repository.branch("main")


async def test_half_a_request_and_gone(site: Site) -> None:
    whole = push_of("/local/lucid/teatime.git/", git(site.bare, "rev-parse", "main"))
    for size in (10, 100, len(whole) // 2, len(whole) - 1):
        _, writer = await site.road.connect()
        writer.write(whole[:size])
        await writer.drain()
        writer.transport.abort()
    await site.shop.must("ls-remote", site.clone_url)
    assert await site.pushes() == []
    assert git(site.bare, "for-each-ref", "refs/heads/lucid") == ""


async def test_no_child_of_git_is_left(site: Site) -> None:
    await site.clone()
    for _ in range(5):
        _, writer = await site.road.connect()
        writer.write(push_of("/local/lucid/teatime.git/", "1" * 40)[:-30])
        await writer.drain()
        writer.transport.abort()
    for _ in range(100):
        if not (left := backends_on(str(site.house.settings.repositories))):
            break
        await asyncio.sleep(0.05)
    assert left == []


DIES_IN_MID_PUSH = """
import asyncio, os, signal, sys
from pathlib import Path
from services.integrations.backends.http_backend import HttpBackend
from services.integrations.ports import GitCall

async def body():
    yield b"00"
    await asyncio.sleep(0.3)  # git is in the middle of reading by then
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    push = GitCall("", "lucid/teatime", "git-receive-pack", "", "application/x-git-receive-pack-request", length=202)
    async with HttpBackend(Path(sys.argv[1])).exchange(push, body()):
        pass

asyncio.run(main())
"""


async def test_no_child_of_git_outlives_a_service_that_is_killed(site: Site) -> None:
    root = str(site.house.settings.repositories)
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES_IN_MID_PUSH, root)
    await service.wait()
    for _ in range(100):
        if not (left := backends_on(root)):
            break
        await asyncio.sleep(0.05)
    assert left == []


async def test_a_start_of_git_that_is_cancelled_leaves_nothing_and_ends(site: Site) -> None:
    root = str(site.house.settings.repositories)
    # One that is told of a length never ends by itself; see http_backend.py.
    spins = git_environment(
        {
            "GIT_PROJECT_ROOT": root,
            "PATH_INFO": "/lucid/teatime.git/git-receive-pack",
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/x-git-receive-pack-request",
            "CONTENT_LENGTH": "100",
            "REMOTE_USER": "lucid",
            "GIT_HTTP_EXPORT_ALL": "1",
        }
    )
    pipe = asyncio.subprocess.PIPE
    for turns in range(8):
        starting = asyncio.create_task(start_git("http-backend", stdin=pipe, stdout=pipe, env=spins))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 a busy loop: git has children before its pipes are connected
        starting.cancel()
        async with asyncio.timeout(5):
            for started in await asyncio.gather(starting, return_exceptions=True):
                if isinstance(started, asyncio.subprocess.Process):
                    kill_group(started)
                    await started.communicate()
    assert backends_on(root) == []


def backends_on(root: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"GIT_PROJECT_ROOT={root}\0".encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


async def test_the_gate_comes_back_on_the_same_socket_with_what_it_knew(site: Site) -> None:
    tree = await site.clone()
    await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    elsewhere = site.house.settings
    async with running_house(elsewhere) as again:  # takes over the socket of the one before
        assert again.socket.is_socket()
        await site.shop.commit(tree, BRANCH, "more.txt")
        await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    assert [push.number for push in await site.pushes()] == [1, 2]


@pytest.mark.parametrize("name", ["LD_PRELOAD", "GIT_SSH_COMMAND", "GIT_CONFIG_PARAMETERS", "SESSION_SECRET"])
async def test_nothing_of_our_environment_reaches_git(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "CANARY")
    assert "CANARY" not in str(git_environment())
    await site.shop.must("ls-remote", site.clone_url)
