"""GitLab: the same road as GitHub, on a server of one's own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.integrations.settings import Settings
from services.rpc.status import RemoteError
from tests.fakes.gitlab import GitLabStandIn
from tests.service.integrations.conftest import House, running_house
from tests.service.integrations.gate_road import SESSION, GateRoad, Workshop

TOKEN = "glpat-CANARY-0123456789"
PROJECT = "group/sub/project"
BRANCH = f"lucid/{SESSION}/fix"


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[GitLabStandIn]:
    with GitLabStandIn(tmp_path / "gitlab") as made:
        made.add_account("ada", TOKEN)
        made.add_repository(PROJECT, {"README.md": "secret\n"}, writers={"ada"})
        yield made


@pytest.fixture
async def gitlab_house(settings: Settings, gitlab: GitLabStandIn) -> AsyncIterator[House]:
    allowed = (f"127.0.0.1:{gitlab.port}",)
    async with running_house(replace(settings, provider_hosts_allowed=allowed)) as made:
        await made.person.save_connection(save(gitlab))
        yield made


def save(gitlab: GitLabStandIn, **fields: str) -> pb.SaveConnectionRequest:
    return pb.SaveConnectionRequest(**({"provider": "gitlab", "token": TOKEN, "base_url": gitlab.url + "/"} | fields))


async def test_connected_to_a_server_of_ones_own(gitlab_house: House, gitlab: GitLabStandIn) -> None:
    (one,) = (await gitlab_house.person.list_connections(pb.ListConnectionsRequest())).connections
    assert (one.provider, one.username, one.base_url) == ("gitlab", "ada", gitlab.url)
    assert list(one.scopes) == gitlab.scopes
    assert {headers.get("PRIVATE-TOKEN") for _, _, headers in gitlab.requests} == {TOKEN}


async def test_listed_over_all_pages_and_internal_is_private(gitlab_house: House, gitlab: GitLabStandIn) -> None:
    template = gitlab.repositories[PROJECT]
    for number in range(150):
        gitlab.repositories[f"group/r{number}"] = replace(template, full_name=f"group/r{number}", private=False)
    found = await gitlab_house.person.list_repositories(pb.ListRepositoriesRequest(provider="gitlab"))
    assert len(found.repositories) == 151
    assert [one.private for one in found.repositories[:2]] == [True, False]


async def test_clone_push_and_merge_request(gitlab_house: House, gitlab: GitLabStandIn, tmp_path: Path) -> None:
    opened = await gitlab_house.open_gate(url=f"{gitlab.url}/{PROJECT}.git")
    async with GateRoad(gitlab_house.socket) as road:
        shop = Workshop(tmp_path / "shop", dict(opened.git_config), road)
        await shop.must("clone", "-q", opened.repository.clone_url, "tree")
        commit = await shop.commit(shop.folder / "tree", BRANCH)
        await shop.must("push", "-q", "origin", BRANCH, cwd=shop.folder / "tree")
    assert gitlab.repositories[PROJECT].branch(BRANCH) == commit
    request = pb.OpenPullRequestRequest(key="k", session_id=SESSION, title="Fix", epoch=1, draft=True)
    made = await gitlab_house.service.open_pull_request(request)
    assert made.pull_request.url == f"{gitlab.url}/{PROJECT}/-/merge_requests/1"
    assert (made.pull_request.title, made.pull_request.draft) == ("Draft: Fix", True)
    other = pb.OpenPullRequestRequest(key="other", session_id=SESSION, title="Fix", epoch=1)
    assert (await gitlab_house.service.open_pull_request(other)).existed
    assert len(gitlab.merge_requests) == 1


async def test_a_person_names_a_branch_that_is_not_there(gitlab_house: House, gitlab: GitLabStandIn) -> None:
    request = pb.CreatePullRequestRequest(
        provider="gitlab", repository_url=f"{gitlab.url}/{PROJECT}", branch="none", title="x"
    )
    with pytest.raises(RemoteError) as refused:
        await gitlab_house.person.create_pull_request(request)
    assert refused.value.reason == "BRANCH_NOT_PUSHED"


async def test_the_token_of_another_server_never_goes_to_the_gates(
    gitlab_house: House, gitlab: GitLabStandIn, tmp_path: Path, settings: Settings
) -> None:
    """The owner connects a second server after the session has begun on the first."""
    opened = await gitlab_house.open_gate(url=f"{gitlab.url}/{PROJECT}.git")
    with GitLabStandIn(tmp_path / "second") as second:
        second.add_account("ada", "glpat-SECOND-0123456789")
        allowed = (f"127.0.0.1:{gitlab.port}", f"127.0.0.1:{second.port}")
        other_settings = replace(settings, provider_hosts_allowed=allowed)
        async with running_house(other_settings) as again, GateRoad(again.socket) as road:
            await again.person.save_connection(save(second, token="glpat-SECOND-0123456789"))
            gitlab.requests.clear()
            shop = Workshop(tmp_path / "shop", dict(opened.git_config), road)
            code, out = await shop.git("ls-remote", opened.repository.clone_url)
            request = pb.OpenPullRequestRequest(key="k", session_id=SESSION, title="x", epoch=1)
            with pytest.raises(RemoteError) as refused:
                await again.service.open_pull_request(request)
    assert code != 0
    assert "No account is connected" in out
    assert refused.value.reason == "CONNECTION_NOT_FOUND"
    assert [headers for _, _, headers in gitlab.requests if "Authorization" in headers] == []


@pytest.mark.parametrize(
    "base_url",
    [
        "http://169.254.169.254",
        "https://127.0.0.1",
        "https://localhost:1",
        "https://0x7f000001",
        "https://[::1]",
        "ftp://gitlab.com",
        "gitlab.com",
        "https://gitlab.com/path",
        "https://gitlab.com?x=1",
        "https://a@gitlab.com",
        'https://ho"st',
        "https://ho st",
        "https://gitlab.com#x",
        "javascript:alert(1)",
    ],
)
async def test_addresses_that_are_not_called(gitlab_house: House, gitlab: GitLabStandIn, base_url: str) -> None:
    before = len(gitlab.requests)
    with pytest.raises(RemoteError) as refused:
        await gitlab_house.person.save_connection(save(gitlab, base_url=base_url))
    assert refused.value.reason == "INVALID_BASE_URL"
    assert len(gitlab.requests) == before


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "TOKEN_REFUSED"), (403, "PROVIDER_FORBIDDEN"), (429, "PROVIDER_UNAVAILABLE"), (500, "PROVIDER_UNAVAILABLE")],
)
async def test_failures_in_our_words(gitlab_house: House, gitlab: GitLabStandIn, status: int, reason: str) -> None:
    gitlab.statuses.append(status)
    with pytest.raises(RemoteError) as refused:
        await gitlab_house.person.save_connection(save(gitlab))
    assert refused.value.reason == reason
    assert TOKEN not in refused.value.message
