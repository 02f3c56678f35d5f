"""What a person has set for a repository, over REST."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as spb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground

PATH = "/api/v1/environments"
WHICH = {"provider": "local", "repository": "lucid/teatime"}


async def test_it_is_set_and_read(ground: Ground) -> None:
    body = {"image": "go:1", "setup": "make", "setupSeconds": 90, "env": {"B": "hidden-value", "A": ""}, "kept": ["C"]}
    async with ground.client() as client:
        before = await client.get(PATH, params=WHICH)
        assert before.json() == {"image": "", "setup": "", "setupSeconds": 0, "variables": []}
        saved = await client.put(PATH, json={**WHICH, **body})
        assert saved.json() == {"image": "go:1", "setup": "make", "setupSeconds": 90, "variables": ["A", "B"]}
        found = await client.get(PATH, params=WHICH)
        assert found.json() == saved.json()
    asked = ground.sessions.last("SaveRepositoryEnvironment").request
    assert asked.repository == spb.Repository(provider="local", full_name="lucid/teatime")
    assert asked.environment.env == {"A": "", "B": "hidden-value"}
    assert list(asked.kept_variables) == ["C"]
    read = ground.sessions.last("GetRepositoryEnvironment").request
    assert (read.provider, read.full_name) == ("local", "lucid/teatime")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**WHICH, "env": {"A": 1}},
        {**WHICH, "setupSeconds": 3601},
        {**WHICH, "setup": "x" * 32769},
        {"provider": "x"},
    ],
)
async def test_what_cannot_be_is_refused_here(ground: Ground, body: dict[str, Any]) -> None:
    async with ground.client() as client:
        assert (await client.put(PATH, json=body)).status_code == 422
        assert (await client.get(PATH, params={"provider": "local"})).status_code == 422
    assert not ground.sessions.calls


async def test_refusals_have_their_words(ground: Ground) -> None:
    words = "The image x is not on the operator's list."
    ground.sessions.fail["SaveRepositoryEnvironment"] = Refusal(Code.INVALID_ARGUMENT, "IMAGE_NOT_ALLOWED", words)
    async with ground.client() as client:
        answer = await client.put(PATH, json={**WHICH, "image": "x"})
    assert answer.status_code == 400
    assert words in answer.text
