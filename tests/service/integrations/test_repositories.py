"""Repositories: listed over all pages, resolved from what people paste."""

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.rpc.status import RemoteError
from tests.fakes.git_host import HostedRepository
from tests.fakes.github import Failure, GitHubStandIn
from tests.service.integrations.conftest import House


def names(found: pb.ListRepositoriesResponse) -> list[str]:
    return [one.full_name for one in found.repositories]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
async def test_all_pages(github_house: House, github: GitHubStandIn, count: int) -> None:
    template = github.repositories.pop("ada/secret")
    for number in range(count):
        name = f"ada/r{number}"
        github.repositories[name] = HostedRepository(name, template.path, private=True, description=f"number {number}")
    found = await github_house.person.list_repositories(pb.ListRepositoriesRequest(provider="github"))
    assert names(found) == [f"ada/r{number}" for number in range(count)]


async def test_local_and_connected_together_and_searched(github_house: House) -> None:
    found = await github_house.person.list_repositories(pb.ListRepositoriesRequest())
    assert names(found) == ["lucid/teatime", "ada/secret"]
    searched = await github_house.person.list_repositories(pb.ListRepositoriesRequest(query="TEA timer"))
    assert names(searched) == ["lucid/teatime"]
    (local,) = searched.repositories
    assert (local.provider, local.default_branch, local.name) == ("local", "main", "teatime")


async def test_one_failing_provider_does_not_hide_the_others(github_house: House, github: GitHubStandIn) -> None:
    github.failures.append(Failure("status", status=500, path="/user/repos", body="SECRET BODY"))
    found = await github_house.person.list_repositories(pb.ListRepositoriesRequest())
    assert names(found) == ["lucid/teatime"]
    assert "HTTP 500" in found.failures["github"]
    assert "SECRET BODY" not in found.failures["github"]


async def test_a_page_that_is_broken_is_not_taken_for_the_end(github_house: House, github: GitHubStandIn) -> None:
    github.failures.append(Failure("status", status=200, path="/user/repos", body='{"message": "odd"}'))
    with pytest.raises(RemoteError) as refused:
        await github_house.person.list_repositories(pb.ListRepositoriesRequest(provider="github"))
    assert refused.value.reason == "PROVIDER_UNAVAILABLE"


async def test_without_a_connection(house: House) -> None:
    with pytest.raises(RemoteError) as refused:
        await house.person.list_repositories(pb.ListRepositoriesRequest(provider="github"))
    assert refused.value.reason == "CONNECTION_NOT_FOUND"


@pytest.mark.parametrize(
    "form",
    [
        "{url}/ada/secret",
        "{url}/ada/secret.git",
        "{url}/ada/secret/",
        " {url}/ada/secret \n",
        "git@127.0.0.1:ada/secret.git",
        "ssh://git@127.0.0.1/ada/secret.git",
        "ssh://git@127.0.0.1/ada/secret",
    ],
)
async def test_pasted_addresses(github_house: House, github: GitHubStandIn, form: str) -> None:
    request = pb.ResolveRepositoryRequest(url=form.format(url=github.url))
    found = (await github_house.person.resolve_repository(request)).repository
    assert (found.provider, found.full_name, found.private) == ("github", "ada/secret", True)
    assert found.clone_url == f"{github.url}/ada/secret.git"


async def test_names(github_house: House) -> None:
    for provider, name, expected in [
        ("", "lucid/teatime", "local"),
        ("", "ada/secret", "github"),
        ("local", "lucid/teatime", "local"),
        ("github", "ada/secret", "github"),
    ]:
        request = pb.ResolveRepositoryRequest(provider=provider, full_name=name)
        assert (await github_house.person.resolve_repository(request)).repository.provider == expected


async def test_the_local_address_resolves(house: House) -> None:
    request = pb.ResolveRepositoryRequest(url="http://127.0.0.1:8000/local/lucid/teatime.git")
    assert (await house.person.resolve_repository(request)).repository.full_name == "lucid/teatime"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (pb.ResolveRepositoryRequest(), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(url="not a url"), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(url="https://evil.example/ada/secret"), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(url="file:///etc/passwd"), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(full_name="ada"), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(full_name="../../etc"), "INVALID_REPOSITORY"),
        (pb.ResolveRepositoryRequest(full_name="ada/nothing"), "REPOSITORY_NOT_FOUND"),
        (pb.ResolveRepositoryRequest(provider="local", full_name="lucid/nothing"), "REPOSITORY_NOT_FOUND"),
        (pb.ResolveRepositoryRequest(provider="svn", full_name="ada/secret"), "UNSUPPORTED_PROVIDER"),
    ],
)
async def test_refused(github_house: House, request_: pb.ResolveRepositoryRequest, reason: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await github_house.person.resolve_repository(request_)
    assert refused.value.reason == reason
