"""Stock git through the gate, on a private repository at the GitHub stand-in."""

import base64
import logging
import os
from pathlib import Path

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.rpc.status import RemoteError
from tests.service.integrations.conftest import OWNER, TOKEN, GitHubSite, House
from tests.service.integrations.gate_road import SESSION, GateRoad, Workshop

BRANCH = f"lucid/{SESSION}/fix"


async def test_clone_push_and_record(github_site: GitHubSite) -> None:
    tree = await github_site.clone()
    assert (tree / "README.md").read_text() == "secret\n"
    commit = await github_site.shop.commit(tree, BRANCH)
    await github_site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    assert github_site.github.repositories["ada/secret"].branch(BRANCH) == commit
    assert [push.commit for push in await github_site.pushes()] == [commit]


async def test_ssh_addresses_lead_to_the_gate_too(github_site: GitHubSite) -> None:
    for address in ("git@127.0.0.1:ada/secret.git", "ssh://git@127.0.0.1/ada/secret.git"):
        assert "refs/heads/main" in await github_site.shop.must("ls-remote", address)


async def test_push_options_are_not_offered_although_the_provider_does(github_site: GitHubSite) -> None:
    tree = await github_site.clone()
    await github_site.shop.commit(tree, BRANCH)
    code, out = await github_site.shop.git("push", "-o", "merge", "origin", BRANCH, cwd=tree)
    assert code != 0
    assert "does not support push options" in out


async def test_a_refused_ref_never_reaches_the_provider(github_site: GitHubSite) -> None:
    tree = await github_site.clone()
    await github_site.shop.commit(tree, "main")
    before = len(github_site.github.requests)
    code, out = await github_site.shop.git("push", "origin", "main", cwd=tree)
    assert code == 1
    assert f"only lucid/{SESSION}/* may be pushed from this session" in out
    pushes = [method for method, path, _ in github_site.github.requests[before:] if "receive-pack" in path]
    assert pushes == ["GET"]


async def test_big_push_is_streamed_chunked(github_site: GitHubSite) -> None:
    tree = await github_site.clone()
    (tree / "noise.bin").write_bytes(os.urandom(4_000_000))
    await github_site.shop.must("add", "noise.bin", cwd=tree)
    commit = await github_site.shop.commit(tree, BRANCH)
    await github_site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    assert [push.commit for push in await github_site.pushes()] == [commit]
    posts = [headers for method, _, headers in github_site.github.requests if method == "POST"]
    assert posts[-1].get("Transfer-Encoding") == "chunked"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "must connect the account again"),
        (403, "does not let the connected account"),
        (404, "was not found"),
        (301, "redirects are not followed"),
        (302, "redirects are not followed"),
        (500, "failed (HTTP 500)"),
        (503, "failed (HTTP 503)"),
        (200, "was not git's"),
    ],
)
async def test_the_providers_failures_are_told_in_our_words(github_site: GitHubSite, status: int, said: str) -> None:
    github_site.github.git_failures.append((status, "BODY-OF-THE-PROVIDER"))
    code, out = await github_site.shop.git("ls-remote", github_site.clone_url)
    assert code != 0
    assert said in out
    assert "BODY-OF-THE-PROVIDER" not in out
    assert TOKEN not in out
    assert not [path for _, path, _ in github_site.github.requests if "elsewhere" in path]


async def test_a_token_that_may_not_write_is_said_so(github_site: GitHubSite) -> None:
    tree = await github_site.clone()
    await github_site.shop.commit(tree, BRANCH)
    github_site.github.repositories["ada/secret"].writers.clear()
    code, out = await github_site.shop.git("push", "origin", BRANCH, cwd=tree)
    assert code != 0
    assert "does not let the connected account push to ada/secret" in out


async def test_a_deleted_connection_closes_the_private_repository(github_site: GitHubSite) -> None:
    await github_site.house.person.delete_connection(pb.DeleteConnectionRequest(provider="github"))
    code, out = await github_site.shop.git("ls-remote", github_site.clone_url)
    assert code != 0
    assert "No account is connected" in out


async def test_public_repository_is_read_without_a_token(
    github_house: House, github_site: GitHubSite, tmp_path: Path
) -> None:
    github_site.github.add_repository("bob/open", {"a": "b\n"}, private=False)
    await github_house.person.delete_connection(pb.DeleteConnectionRequest(provider="github"))
    other = "ses_01JQ0000000000000000000002"
    opened = await github_house.open_gate(other, url=f"{github_site.github.url}/bob/open.git")
    async with GateRoad(github_house.socket, other) as road:
        shop = Workshop(tmp_path / "other", dict(opened.git_config), road)
        await shop.must("clone", "-q", opened.repository.clone_url, "tree")
        code, out = await shop.git("push", "origin", f"HEAD:lucid/{other}/x", cwd=shop.folder / "tree")
    assert code != 0
    assert "No account is connected" in out


async def test_the_token_is_nowhere_but_in_the_header(
    github_site: GitHubSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tree = await github_site.clone()
    await github_site.shop.commit(tree, BRANCH)
    out = await github_site.shop.must("push", "origin", BRANCH, cwd=tree, GIT_TRACE_CURL="1", GIT_TRACE="1")
    github_site.github.git_failures.append((401, "echo"))
    _, failed = await github_site.shop.git("fetch", "origin", cwd=tree, GIT_TRACE_CURL="1")
    forms = _forms(TOKEN)
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for text in (out, failed, logged):
        assert [form for form in forms if form in text] == []
    places = [github_site.shop.folder, github_site.house.settings.data_dir]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert any(path.name == "integrations.db" for path in files)
    for path in files:
        data = path.read_bytes()
        assert [form for form in forms if form.encode() in data] == [], path
    assert any(TOKEN in base64.b64decode(_basic(headers)).decode() for _, _, headers in github_site.github.requests)


def _basic(headers: dict[str, str]) -> str:
    value = headers.get("Authorization", "")
    return value.removeprefix("Basic ") if value.startswith("Basic ") else ""


def _forms(token: str) -> list[str]:
    raw = token.encode()
    encoded = [base64.b64encode(b"x" * shift + raw).decode()[4 if shift else 0 : -4] for shift in range(3)]
    return [token, token[::-1], raw.hex(), "".join(f"%{byte:02X}" for byte in raw), *encoded]


async def test_owner_is_whose_token_is_used(github_house: House, github_site: GitHubSite) -> None:
    """Another owner's session has no token of ada's: her private repository does not exist for them."""
    request = pb.OpenGateRequest(
        session_id="ses_01JQ0000000000000000000003", owner_id="usr_eve", url=f"{github_site.github.url}/ada/secret"
    )
    with pytest.raises(RemoteError) as refused:
        await github_house.service.open_gate(request)
    assert refused.value.reason == "REPOSITORY_NOT_FOUND"
    assert request.owner_id != OWNER
