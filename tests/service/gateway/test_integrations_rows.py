"""Git accounts, repositories, pull requests."""

from typing import Any

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground

PATH = "/api/v1/integrations"
UNSUPPORTED = "Unsupported provider 'svn'. Use 'github' or 'gitlab'."


async def connect(client: Any) -> Any:
    return await client.post(PATH, json={"provider": "GitHub", "token": "ghp_secret"})


async def test_connecting_listing_forgetting(ground: Ground) -> None:
    async with ground.client() as client:
        made = await connect(client)
        rows = (await client.get(PATH)).json()["integrations"]
        gone = await client.delete(f"{PATH}/github")
        again = await client.delete(f"{PATH}/github")
        assert (await client.get(PATH)).json() == {"integrations": []}
    assert made.json() == {
        "status": "connected",
        "provider": "github",
        "username": "octocat",
        "message": "Connected as octocat",
    }
    assert rows == [
        {
            "id": rows[0]["id"],
            "provider": "github",
            "label": "main",
            "externalUsername": "octocat",
            "scopes": "repo,workflow",
            "createdAt": "2023-11-14T22:13:20.000Z",
            "connected": True,
        }
    ]
    assert gone.json() == {"status": "disconnected", "provider": "github"}
    assert (again.status_code, again.json()) == (404, {"detail": "No github integration found for this user."})


async def test_the_gitlab_address_goes_along(ground: Ground) -> None:
    async with ground.client() as client:
        await client.post(PATH, json={"provider": "gitlab", "token": "t", "gitlabUrl": "https://gl.example"})
        assert ground.integrations.last("SaveConnection").request.base_url == "https://gl.example"
        await client.post(PATH, json={"provider": "github", "token": "t", "gitlabUrl": "https://gl.example"})
        assert ground.integrations.last("SaveConnection").request.base_url == ""


async def test_refused_tokens_and_strange_providers(ground: Ground) -> None:
    async with ground.client() as client:
        refused = await client.post(PATH, json={"provider": "github", "token": "bad"})
        assert (refused.status_code, refused.json()["detail"]) == (
            422,
            "GitHub refused the token (401 Bad credentials).",
        )
        for answer in (
            await client.post(PATH, json={"provider": "svn", "token": "t"}),
            await client.delete(f"{PATH}/svn"),
            await client.get(f"{PATH}/svn/repos"),
            await client.post(f"{PATH}/svn/pr", json={"repoUrl": "u", "branch": "b", "title": "t"}),
        ):
            assert (answer.status_code, answer.json()) == (400, {"detail": UNSUPPORTED})
        for body in ({}, {"provider": "github"}, {"token": "t"}, {"provider": "github", "token": ""}):
            assert (await client.post(PATH, json=body)).status_code == 422
        ground.integrations.fail["SaveConnection"] = Refusal(
            Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE", "GitHub is away."
        )
        away = await client.post(PATH, json={"provider": "github", "token": "t"})
    assert (away.status_code, away.json()) == (502, {"detail": "GitHub is away."})


async def test_repositories(ground: Ground) -> None:
    ground.integrations.repositories = [
        pb.Repository(name="r", full_name="o/r", url="https://h/o/r", clone_url="https://h/o/r.git", private=True)
    ]
    async with ground.client() as client:
        none = await client.get(f"{PATH}/github/repos")
        await connect(client)
        answer = await client.get(f"{PATH}/github/repos")
        ground.integrations.failures = {"github": "GitHub answered 500."}
        failed = await client.get(f"{PATH}/github/repos")
    text = "No github token saved. Add one via POST /api/v1/integrations first."
    assert (none.status_code, none.json()) == (404, {"detail": text})
    assert answer.json() == {
        "provider": "github",
        "count": 1,
        "repos": [
            {
                "name": "r",
                "fullName": "o/r",
                "url": "https://h/o/r",
                "cloneUrl": "https://h/o/r.git",
                "defaultBranch": "",
                "private": True,
                "description": "",
            }
        ],
    }
    assert (failed.status_code, failed.json()) == (502, {"detail": "GitHub answered 500."})


async def test_a_pull_request_by_hand(ground: Ground) -> None:
    body = {"repoUrl": "https://github.com/o/r", "branch": "fix", "title": "Fix"}
    async with ground.client() as client:
        assert (await client.post(f"{PATH}/github/pr", json=body)).status_code == 404
        await connect(client)
        made = await client.post(f"{PATH}/github/pr", json=body)
        asked = ground.integrations.last("CreatePullRequest").request
        for missing in ("repoUrl", "branch", "title"):
            broken = {key: value for key, value in body.items() if key != missing}
            assert (await client.post(f"{PATH}/github/pr", json=broken)).status_code == 422
    assert made.json() == {
        "status": "created",
        "provider": "github",
        "prUrl": "https://github.com/o/r/pull/7",
        "prNumber": 7,
        "title": "Fix",
        "state": "open",
    }
    assert (asked.repository_url, asked.branch, asked.base, asked.body) == ("https://github.com/o/r", "fix", "main", "")


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE", "Said no."),
        Refusal(Code.FAILED_PRECONDITION, "TOKEN_REFUSED", "Said no."),
        Refusal(Code.NOT_FOUND, "REPOSITORY_NOT_FOUND", "Said no."),
    ],
)
async def test_whatever_the_provider_does_is_a_502(ground: Ground, refusal: Refusal) -> None:
    ground.integrations.fail["CreatePullRequest"] = refusal
    body = {"repoUrl": "u", "branch": "b", "title": "t"}
    async with ground.client() as client:
        answer = await client.post(f"{PATH}/github/pr", json=body)
    assert (answer.status_code, answer.json()) == (502, {"detail": "Said no."})
