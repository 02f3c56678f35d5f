"""The second clone of a hosted repository comes from a copy here, and never says less, or to anybody else, than the
provider would."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from services.integrations.domain.pktline import DELIMITER, FLUSH, encode
from services.integrations.gate.fetch import Offer, read_request
from services.integrations.settings import Settings
from tests.fakes.git_host import git
from tests.service.integrations.conftest import SECRET_REPO, GitHubSite, House
from tests.service.integrations.gate_road import GateRoad, Workshop

SECOND = "ses_01JQ0000000000000000000002"
FETCH = "POST /ada/secret.git/git-upload-pack"


def fetches(site: GitHubSite) -> int:
    """Requests for objects or for names of branches; a clone makes one of each."""
    return [f"{method} {path}" for method, path, _ in site.github.requests].count(FETCH)


async def copied(house: House) -> Path:
    """Waits for the copy that a first clone leaves behind."""
    for _ in range(200):
        found = list(house.settings.repository_copies.glob("*.git/complete"))
        if found:
            return found[0].parent
        await asyncio.sleep(0.05)
    pytest.fail("no copy was made")


@asynccontextmanager
async def second(site: GitHubSite, folder: Path) -> AsyncIterator[Workshop]:
    """Another session on the same repository."""
    opened = await site.house.open_gate(SECOND, url=f"{site.github.url}/{SECRET_REPO}")
    async with GateRoad(site.house.socket, SECOND) as road:
        yield Workshop(folder / "second", dict(opened.git_config), road)


async def commit_at_the_provider(site: GitHubSite, branch: str, text: str) -> str:
    bare = site.github.repositories[SECRET_REPO].path
    blob = git(bare, "hash-object", "-w", "--stdin", given=text.encode())
    tree = git(bare, "mktree", given=f"100644 blob {blob}\tREADME.md\n".encode())
    parent = git(bare, "rev-parse", "refs/heads/main")
    commit = git(bare, "commit-tree", tree, "-p", parent, given=b"More\n")
    git(bare, "update-ref", f"refs/heads/{branch}", commit)
    return commit


async def test_the_second_clone_asks_the_provider_for_names_only(github_site: GitHubSite, tmp_path: Path) -> None:
    await github_site.clone()
    await copied(github_site.house)
    before = fetches(github_site)
    async with second(github_site, tmp_path) as shop:
        await shop.must("clone", "-q", github_site.clone_url, "tree")
        assert (shop.folder / "tree" / "README.md").read_text() == "secret\n"
    assert fetches(github_site) - before == 1


async def test_what_is_new_comes_along_and_what_is_gone_goes(github_site: GitHubSite, tmp_path: Path) -> None:
    bare = github_site.github.repositories[SECRET_REPO].path
    git(bare, "update-ref", "refs/heads/way", git(bare, "rev-parse", "refs/heads/main"))
    await github_site.clone()
    copy = await copied(github_site.house)
    git(bare, "update-ref", "-d", "refs/heads/way")
    deeper = await commit_at_the_provider(github_site, "way/deeper", "deeper\n")
    newest = await commit_at_the_provider(github_site, "main", "newest\n")
    async with second(github_site, tmp_path) as shop:
        await shop.must("clone", "-q", github_site.clone_url, "tree")
        assert (shop.folder / "tree" / "README.md").read_text() == "newest\n"
        for place, argument in enumerate(("--depth=1", "--filter=blob:none", "--branch=way/deeper")):
            await shop.must("clone", "-q", argument, github_site.clone_url, f"tree-{place}")
        await shop.must("-c", "protocol.version=0", "clone", "-q", github_site.clone_url, "old")
    names = git(copy, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert names == [f"refs/heads/main {newest}", f"refs/heads/way/deeper {deeper}"]


async def test_many_haves_are_packed_and_answered(github_site: GitHubSite, tmp_path: Path) -> None:
    await github_site.clone()
    await copied(github_site.house)
    async with second(github_site, tmp_path) as shop:
        await shop.must("clone", "-q", github_site.clone_url, "tree")
        tree = shop.folder / "tree"
        for number in range(40):
            await shop.commit(tree, "own", f"{number}.txt")
        newest = await commit_at_the_provider(github_site, "main", "newest\n")
        await shop.must("fetch", "-q", "origin", cwd=tree)
        assert (await shop.must("rev-parse", "origin/main", cwd=tree)).strip() == newest


async def test_a_copy_is_no_way_round_the_provider(github_site: GitHubSite, tmp_path: Path) -> None:
    await github_site.clone()
    copy = await copied(github_site.house)
    async with second(github_site, tmp_path) as shop:
        github_site.github.tokens.clear()
        code, out = await shop.git("clone", "-q", github_site.clone_url, "tree")
        assert code
        assert "must connect the account again" in out
    # Nor for a session that asks for a commit without having been offered it.
    commit = git(copy, "rev-parse", "refs/heads/main")
    body = b"".join(
        [encode(b"command=fetch\n"), DELIMITER, encode(f"want {commit}\n".encode()), encode(b"done\n"), FLUSH]
    )
    host = github_site.github.url.removeprefix("http://")
    head = [
        f"POST /{host}/{SECRET_REPO}.git/git-upload-pack HTTP/1.1",
        "Host: x",
        "Git-Protocol: version=2",
        "Content-Type: application/x-git-upload-pack-request",
        f"Content-Length: {len(body)}",
    ]
    answer = await GateRoad(github_site.house.socket, SECOND).raw("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"PACK" not in answer


async def test_what_the_provider_has_taken_back_is_not_handed_out(github_site: GitHubSite, tmp_path: Path) -> None:
    leaked = await commit_at_the_provider(github_site, "leak", "password\n")
    await github_site.clone()
    copy = await copied(github_site.house)
    assert git(copy, "cat-file", "-t", leaked) == "commit"
    git(github_site.github.repositories[SECRET_REPO].path, "update-ref", "-d", "refs/heads/leak")
    async with second(github_site, tmp_path) as shop:
        await shop.must("clone", "-q", github_site.clone_url, "tree")
        before = fetches(github_site)
        await shop.git("fetch", "-q", "origin", leaked, cwd=shop.folder / "tree")
        assert fetches(github_site) > before, "the provider was not asked"


@pytest.mark.parametrize("fault", [(500, "down"), (200, "garbage")])
async def test_a_copy_that_cannot_be_brought_up_to_date_is_left_out(
    github_site: GitHubSite, tmp_path: Path, fault: tuple[int, str]
) -> None:
    await github_site.clone()
    await copied(github_site.house)
    await commit_at_the_provider(github_site, "main", "newest\n")
    async with second(github_site, tmp_path) as shop:
        # info/refs, ls-refs, then our own ls-refs fails, then the fetch that is passed on.
        await shop.must("ls-remote", github_site.clone_url)
        served = github_site.github.serve_git
        asked = 0

        def failing(request, path: str, query: str) -> None:  # type: ignore[no-untyped-def]
            nonlocal asked
            asked += path.endswith("upload-pack")
            if asked == 2 and not github_site.github.git_failures:
                github_site.github.git_failures.append(fault)
            served(request, path, query)

        github_site.github.serve_git = failing  # type: ignore[method-assign]
        await shop.must("clone", "-q", github_site.clone_url, "tree")
        assert (shop.folder / "tree" / "README.md").read_text() == "newest\n"


async def test_no_token_is_in_a_copy(github_site: GitHubSite) -> None:
    await github_site.clone()
    copy = await copied(github_site.house)
    token = next(iter(github_site.github.tokens))
    forms = [token.encode(), base64.b64encode(f"x-access-token:{token}".encode())]
    for path in copy.rglob("*"):
        assert not path.is_file() or not any(form in path.read_bytes() for form in forms)


class TestRoom:
    """Copies have a limit together."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings("s" * 40, "internal-key-of-the-tests", "e" * 20, tmp_path / "data", repository_cache_gb=0.0002)

    async def test_one_that_is_too_large_is_not_kept(self, github_site: GitHubSite, tmp_path: Path) -> None:
        noise = base64.b64encode(os.urandom(400_000)).decode()
        await commit_at_the_provider(github_site, "main", noise)
        await github_site.clone()
        await asyncio.sleep(0)
        async with second(github_site, tmp_path) as shop:
            await shop.must("clone", "-q", github_site.clone_url, "tree")
        assert not list(github_site.house.settings.repository_copies.glob("*.git/complete"))


def test_off(settings: Settings) -> None:
    off = Settings.from_env(
        {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k", "ENCRYPTION_KEY": "e", "REPOSITORY_CACHE_GB": "0"}
    )
    assert off.repository_cache_gb == 0
    with pytest.raises(ValueError, match="REPOSITORY_CACHE_GB"):
        Settings.from_env(
            {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k", "ENCRYPTION_KEY": "e", "REPOSITORY_CACHE_GB": "much"}
        )
    assert replace(settings, repository_cache_gb=0.0).repository_copies.name == "copies"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"0000",
        b"zzzz",
        b"0013command=fetch\n0000trailing",
        encode(b"command=fetch\n") + DELIMITER + encode(b"want-ref refs/heads/x\n") + FLUSH,
        encode(b"command=object-info\n") + DELIMITER + encode(b"oid 1\n") + FLUSH,
        encode(b"command=fetch\n") + FLUSH + encode(b"command=fetch\n") + FLUSH,
    ],
)
def test_what_is_not_understood_goes_to_the_provider(body: bytes) -> None:
    found = read_request(body, "")
    assert found is None or not found.wants
    assert read_request(b"\x1f\x8b" + body, "gzip") is None


def test_an_offer_that_is_none() -> None:
    offer = Offer()
    offer.feed(b"<html>")
    assert not offer.whole
