"""Rows for sessions: shapes, texts, bad input."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground

PATH = "/api/v1/sessions"


async def test_creating_passes_on_what_counts_and_ignores_the_rest(ground: Ground) -> None:
    ground.sessions.models = [pb.Model(model="anthropic/one"), pb.Model(model="openai/two"), pb.Model(model="demo")]
    body = {
        "task": "Fix it",
        "repoUrl": "https://github.com/o/r",
        "branch": "dev",
        "projectId": "p1",
        "userId": "usr_somebody_else",
        "model_provider": "openai",
        "api_key": "sk-own",
        "gitUserName": "Ann",
        "gitUserEmail": "ann@x.org",
        "token": "ignored",
        "unknown": {"deep": [1]},
    }
    async with ground.client() as client:
        answer = await client.post(PATH, json=body)
    made = next(iter(ground.sessions.sessions.values()))
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "sessionId": made.session_id, "message": "Session is ready."}
    seen = ground.sessions.last("CreateSession")
    request = seen.request
    assert seen.user_id == "usr_ann"
    assert (request.task, request.model, request.project_id) == ("Fix it", "openai/two", "p1")
    assert (request.repository.url, request.repository.base_branch) == ("https://github.com/o/r", "dev")
    assert (request.git_user_name, request.git_user_email, request.model_api_key) == ("Ann", "ann@x.org", "sk-own")
    assert request.request_id


async def test_the_demo_model_is_called_mock(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.post(PATH, json={"task": "t", "repoUrl": None, "gitToken": ""})
    assert answer.json()["status"] == "mock"
    assert not ground.sessions.last("CreateSession").request.HasField("repository")


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ({}, ""),
        ({"model": "openai/gpt"}, "openai/gpt"),
        ({"model_provider": "openai", "model": "gpt"}, "openai/gpt"),
        ({"modelProvider": "anthropic/claude"}, "anthropic/claude"),
        ({"model_provider": "demo"}, "demo"),
        ({"model_provider": "nobody"}, "nobody"),
    ],
)
async def test_the_model_that_is_meant(ground: Ground, given: dict[str, str], model: str) -> None:
    async with ground.client() as client:
        await client.post(PATH, json={"task": "t", **given})
    assert ground.sessions.last("CreateSession").request.model == model


@pytest.mark.parametrize("reason", ["UNKNOWN_MODEL", "NO_MODEL_KEY", "INVALID_REPOSITORY"])
async def test_refused_creations_have_their_own_shape(ground: Ground, reason: str) -> None:
    ground.sessions.fail["CreateSession"] = Refusal(Code.INVALID_ARGUMENT, reason, "Words for people.")
    async with ground.client() as client:
        answer = await client.post(PATH, json={"task": "t"})
    assert answer.status_code == 400
    assert answer.json() == {"detail": {"status": "error", "message": "Words for people."}}


async def test_a_token_is_kept_first_and_a_refused_one_ends_it(ground: Ground) -> None:
    async with ground.client() as client:
        good = {"task": "t", "repoUrl": "https://github.com/o/r", "gitToken": "ghp_good"}
        assert (await client.post(PATH, json=good)).status_code == 200
        saved = ground.integrations.last("SaveConnection").request
        assert (saved.provider, saved.token, saved.base_url) == ("github", "ghp_good", "")
        made = len(ground.sessions.sessions)
        answer = await client.post(PATH, json={**good, "gitToken": "bad"})
    assert answer.status_code == 422
    assert answer.json() == {"detail": "GitHub refused the token (401 Bad credentials)."}
    assert len(ground.sessions.sessions) == made


async def test_a_gitlab_address_means_gitlab(ground: Ground) -> None:
    body = {"task": "t", "repoUrl": "https://user:pw@gitlab.example.com:8443/o/r", "gitToken": "glpat"}
    async with ground.client() as client:
        await client.post(PATH, json=body)
    saved = ground.integrations.last("SaveConnection").request
    assert (saved.provider, saved.base_url) == ("gitlab", "https://gitlab.example.com:8443")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"task": ""},
        {"task": None},
        {"task": 7},
        {"task": ["a"]},
        {"task": "x" * 200_001},
        [],
        "text",
        None,
        5,
        {"task": "t", "repoUrl": "x" * 2001},
        {"task": "t", "gitToken": {"a": "SECRET"}},
    ],
    ids=range(12),
)
async def test_bad_bodies_are_422_without_an_echo(ground: Ground, body: Any) -> None:
    async with ground.client() as client:
        answer = await client.post(PATH, json=body)
    assert answer.status_code == 422
    for found in answer.json()["detail"]:
        assert set(found) == {"loc", "msg", "type"}
    assert "SECRET" not in answer.text
    assert not ground.sessions.calls


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe{}", b'{"task": "\xc3\x28"}', b'{"task": "\\ud800"}', b"[" * 9000]
)
async def test_broken_json_is_refused(ground: Ground, data: bytes) -> None:
    async with ground.client() as client:
        answer = await client.post(PATH, content=data, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert "detail" in answer.json()
    assert not ground.sessions.calls


async def test_a_rule_of_the_protos_is_a_422_too(ground: Ground) -> None:
    async with ground.client() as client:
        answer = await client.post(PATH, json={"task": "ж" * 150_000})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "task"]


async def test_listing_gives_all_pages_of_the_callers_own(ground: Ground) -> None:
    for number in range(130):
        ground.sessions.put("usr_ann", task=f"{number} " + "x" * 100, state=pb.Session.STATE_RUNNING)
    ground.sessions.put("usr_bob")
    stopped = ground.sessions.put("usr_ann", state=pb.Session.STATE_STOPPED, task="last")
    async with ground.client() as client:
        rows = (await client.get(PATH)).json()["sessions"]
    assert len(rows) == 131
    assert rows[0] == {
        "sessionId": stopped.session_id,
        "userId": "usr_ann",
        "task": "last",
        "isAlive": False,
        "createdAt": "2023-11-14T22:15:31.000Z",
    }
    assert len(rows[1]["task"]) == 80
    assert rows[1]["isAlive"] is True


async def test_deleting(ground: Ground) -> None:
    session_id = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        answer = await client.delete(f"{PATH}/{session_id}")
        again = await client.delete(f"{PATH}/{session_id}")
    assert answer.json() == {
        "status": "stopped",
        "sessionId": session_id,
        "message": "Session stopped and resources cleaned up.",
    }
    assert (again.status_code, again.json()) == (404, {"detail": f"Session {session_id} not found."})


async def test_a_follow_up_sent_twice_is_one(ground: Ground) -> None:
    path = f"{PATH}/{ground.sessions.put('usr_ann').session_id}/messages"
    async with ground.client() as client:
        first = await client.post(path, json={"content": "go on", "clientMessageId": "m1"})
        again = await client.post(path, json={"content": "go on", "clientMessageId": "m1"})
        other = await client.post(path, json={"content": "go on"})
    assert first.json() == again.json() == {"seq": 1, "queued": False, "clientMessageId": "m1"}
    assert other.json()["seq"] != 1
    assert other.json()["clientMessageId"]


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": "c", "clientMessageId": "x" * 101}, {"content": 1}])
async def test_bad_follow_ups(ground: Ground, body: dict[str, Any]) -> None:
    path = f"{PATH}/{ground.sessions.put('usr_ann').session_id}/messages"
    async with ground.client() as client:
        assert (await client.post(path, json=body)).status_code == 422
    assert not ground.sessions.messages


async def test_stopping_is_safe_to_repeat(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann", state=pb.Session.STATE_RUNNING)
    path = f"{PATH}/{session.session_id}/stop"
    async with ground.client() as client:
        first = (await client.post(path)).json()
        ground.sessions.sessions[session.session_id].state = pb.Session.STATE_STOPPED
        again = (await client.post(path)).json()
    assert first == {"status": "stopping", "sessionId": session.session_id}
    assert again == {"status": "stopped", "sessionId": session.session_id}


async def test_a_moment_without_the_service_is_bridged(ground: Ground) -> None:
    ground.sessions.fail["ListSessions"] = Refusal(Code.UNAVAILABLE, "UNAVAILABLE")
    ground.sessions.fail_times["ListSessions"] = 2
    async with ground.client() as client:
        assert (await client.get(PATH)).status_code == 200
    assert len(ground.sessions.calls) == 3
