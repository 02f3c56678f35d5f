"""Stock git through the gate, on the local provider."""

import asyncio
import os
from pathlib import Path

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from tests.service.integrations.conftest import Site
from tests.service.integrations.gate_road import SESSION

BRANCH = f"lucid/{SESSION}/fix"


async def test_clone_has_the_seeded_project(site: Site) -> None:
    tree = await site.clone()
    assert (tree / "teatime" / "clock.py").is_file()
    log = await site.shop.must("log", "--format=%s", cwd=tree)
    assert log.splitlines() == [
        "Say what the clock promises",
        "Count down, and take any time",
        "Know how long and how hot",
    ]


async def test_push_is_accepted_and_recorded(site: Site) -> None:
    tree = await site.clone()
    commit = await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    (push,) = await site.pushes()
    assert (push.number, push.provider, push.repo, push.branch) == (1, "local", "lucid/teatime", BRANCH)
    assert push.commit == commit
    assert push.old_commit == "0" * 40


async def test_force_push_moves_the_branch_and_is_numbered_on(site: Site) -> None:
    tree = await site.clone()
    first = await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    await site.shop.must("commit", "-q", "--amend", "-m", "Another", cwd=tree)
    assert (await site.shop.git("push", "-q", "origin", BRANCH, cwd=tree))[0] != 0
    await site.shop.must("push", "-q", "--force", "origin", BRANCH, cwd=tree)
    pushes = await site.pushes()
    assert [push.number for push in pushes] == [1, 2]
    assert pushes[1].old_commit == first


@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_every_protocol_version_fetches(site: Site, version: str) -> None:
    tree = await site.clone("-c", f"protocol.version={version}")
    out = await site.shop.must("-c", f"protocol.version={version}", "fetch", "origin", "main", cwd=tree)
    assert "main" in out


async def test_shallow_clone_and_shallow_push(site: Site) -> None:
    tree = await site.clone("--depth=1")
    await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    assert len(await site.pushes()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["HEAD:main"], "only lucid/"),
        (["HEAD:refs/heads/lucid/ses_01JQ0000000000000000000009/fix"], "only lucid/"),
        (["HEAD:refs/heads/other"], "only lucid/"),
        (["HEAD:refs/tags/v1"], "only lucid/"),
        (["--delete", "main"], "only lucid/"),
        (["--delete", BRANCH], "cannot be deleted"),
        (["HEAD:refs/heads/" + BRANCH + "2", "HEAD:main"], "refused together with the others"),
    ],
)
async def test_refused_push_says_why_in_gits_own_words(site: Site, arguments: list[str], said: str) -> None:
    tree = await site.clone()
    await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    before = await site.shop.must("ls-remote", "origin", cwd=tree)
    code, out = await site.shop.git("push", "origin", *arguments, cwd=tree)
    assert code == 1
    assert "[remote rejected]" in out
    assert said in out
    assert await site.shop.must("ls-remote", "origin", cwd=tree) == before
    assert len(await site.pushes()) == 1


async def test_push_options_are_not_offered(site: Site) -> None:
    tree = await site.clone()
    await site.shop.commit(tree, BRANCH)
    code, out = await site.shop.git("push", "-o", "ci.skip", "origin", BRANCH, cwd=tree)
    assert code != 0
    assert "does not support push options" in out


async def test_big_push_goes_chunked_and_whole(site: Site) -> None:
    tree = await site.clone()
    (tree / "noise.bin").write_bytes(os.urandom(8 * 1024 * 1024))
    await site.shop.must("add", "noise.bin", cwd=tree)
    commit = await site.shop.commit(tree, BRANCH)
    code, trace = await site.shop.git(
        "push", "origin", BRANCH, cwd=tree, GIT_TRACE_CURL="1", GIT_TRACE_CURL_NO_DATA="1"
    )
    assert code == 0, trace
    assert "chunked" in trace
    assert [push.commit for push in await site.pushes()] == [commit]
    await site.shop.must("clone", "-q", "-b", BRANCH, site.clone_url, str(site.shop.folder / "again"))
    assert (site.shop.folder / "again" / "noise.bin").stat().st_size == 8 * 1024 * 1024


async def test_large_fetch_request_arrives_gzipped(site: Site) -> None:
    tree = await site.clone()
    for number in range(60):
        await site.shop.commit(tree, f"lucid/{SESSION}/b{number}", f"file{number}")
    await site.shop.must("push", "-q", "origin", "refs/heads/lucid/*:refs/heads/lucid/*", cwd=tree)
    assert len(await site.pushes()) == 60
    other = site.shop.folder / "other"
    trace = {"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"}
    out = await site.shop.must("clone", site.clone_url, str(other), **trace)
    assert "content-encoding: gzip" in out.lower()
    assert "lucid" in await site.shop.must("branch", "-r", cwd=other)


async def test_other_repository_is_refused_clearly(site: Site) -> None:
    code, out = await site.shop.git("ls-remote", site.clone_url.replace("teatime", "other"))
    assert code != 0
    assert "403" in out


async def test_closed_gate_refuses(site: Site) -> None:
    await site.house.service.close_gate(pb.CloseGateRequest(session_id=SESSION))
    code, out = await site.shop.git("ls-remote", site.clone_url)
    assert code != 0
    assert "403" in out


async def test_nothing_is_buffered_on_the_way(site: Site, tmp_path: Path) -> None:
    """Concurrent fetches while a push is going on all succeed."""
    tree = await site.clone()
    await site.shop.commit(tree, BRANCH)
    calls = [site.shop.git("ls-remote", site.clone_url) for _ in range(8)]
    results = await asyncio.gather(site.shop.git("push", "-q", "origin", BRANCH, cwd=tree), *calls)
    assert [code for code, _ in results] == [0] * 9
