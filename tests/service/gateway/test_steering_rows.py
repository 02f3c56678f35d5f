"""Rows for a session at work: pause, what waits, answers, settings."""

from typing import Any

import pytest
from lucid.sessions.v1 import event_pb2 as epb
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.errors import Code
from tests.fakes.services import Refusal
from tests.service.gateway.conftest import Ground

PATH = "/api/v1/sessions"


async def test_pausing_and_going_on(ground: Ground) -> None:
    running = ground.sessions.put("usr_ann", state=pb.Session.STATE_RUNNING).session_id
    paused = ground.sessions.put("usr_ann", state=pb.Session.STATE_PAUSED).session_id
    async with ground.client() as client:
        answers = [
            (await client.post(f"{PATH}/{session}/{verb}")).json()
            for verb in ("pause", "resume")
            for session in (running, paused)
        ]
    assert answers == [{"pausing": True}, {"pausing": False}, {"resumed": False}, {"resumed": True}]


@pytest.mark.parametrize(
    ("body", "text", "delivery"),
    [
        ({"text": "other words"}, "other words", epb.UserMessage.DELIVERY_UNSPECIFIED),
        ({"delivery": "steer"}, "", epb.UserMessage.DELIVERY_STEER),
        ({"delivery": "queued", "text": "t"}, "t", epb.UserMessage.DELIVERY_QUEUED),
    ],
)
async def test_a_waiting_message_is_changed(ground: Ground, body: dict[str, Any], text: str, delivery: int) -> None:
    session = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        answer = await client.patch(f"{PATH}/{session}/queue/m1", json=body)
    seen = ground.sessions.last("UpdateQueuedMessage").request
    assert (answer.status_code, answer.json()) == (200, {"queueItemId": "m1"})
    assert (seen.session_id, seen.queue_item_id, seen.text, seen.delivery) == (session, "m1", text, delivery)
    assert [call.rpc for call in ground.sessions.calls] == ["UpdateQueuedMessage"]


async def test_a_waiting_message_is_moved_and_withdrawn(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        assert (await client.patch(f"{PATH}/{session}/queue/m1", json={"place": 0})).status_code == 200
        assert (await client.delete(f"{PATH}/{session}/queue/m1")).status_code == 200
    assert [call.rpc for call in ground.sessions.calls] == ["MoveQueuedMessage", "CancelQueuedMessage"]
    assert ground.sessions.last("MoveQueuedMessage").request.place == 0
    assert ground.sessions.last("CancelQueuedMessage").request.queue_item_id == "m1"


async def test_one_that_was_taken_is_a_conflict(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann").session_id
    taken = Refusal(Code.FAILED_PRECONDITION, "QUEUE_ITEM_TAKEN", "The agent has taken this message already.")
    for rpc in ("UpdateQueuedMessage", "MoveQueuedMessage", "CancelQueuedMessage"):
        ground.sessions.fail[rpc] = taken
    path = f"{PATH}/{session}/queue/m1"
    async with ground.client() as client:
        answers = [
            await client.patch(path, json={"text": "late"}),
            await client.patch(path, json={"place": 1}),
            await client.delete(path),
        ]
    words = {"detail": "The agent has taken this message already."}
    assert [(answer.status_code, answer.json()) for answer in answers] == [(409, words)] * 3


async def test_a_follow_up_may_steer(ground: Ground) -> None:
    path = f"{PATH}/{ground.sessions.put('usr_ann').session_id}/messages"
    async with ground.client() as client:
        for delivery in ({}, {"delivery": "queued"}, {"delivery": "steer"}):
            assert (await client.post(path, json={"content": "go on", **delivery})).status_code == 200
    sent = [call.request.delivery for call in ground.sessions.calls]
    assert sent == [
        epb.UserMessage.DELIVERY_UNSPECIFIED,
        epb.UserMessage.DELIVERY_QUEUED,
        epb.UserMessage.DELIVERY_STEER,
    ]


async def test_an_approval_is_answered_once(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann").session_id
    path = f"{PATH}/{session}/approvals/apr_1"
    async with ground.client() as client:
        first = await client.post(path, json={"optionId": "yes", "text": "but carefully"})
        ground.sessions.fail["ResolveApproval"] = Refusal(Code.FAILED_PRECONDITION, "APPROVAL_RESOLVED", "Answered.")
        late = await client.post(path, json={"optionId": "no"})
    assert (first.status_code, first.json()) == (200, {"requestId": "apr_1"})
    assert (late.status_code, late.json()) == (409, {"detail": "Answered."})
    seen = [call.request for call in ground.sessions.calls]
    assert [(one.request_id, one.option_id, one.text) for one in seen] == [
        ("apr_1", "yes", "but carefully"),
        ("apr_1", "no", ""),
    ]


async def test_settings_and_title(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann").session_id
    body = {
        "title": "Another",
        "confirmation": "risky",
        "budget": {"costMicros": "2500000", "steps": 40},
        "fallbackModel": "",
    }
    async with ground.client() as client:
        answer = await client.patch(f"{PATH}/{session}", json=body)
    seen = ground.sessions.last("ConfigureSession").request
    assert (seen.confirmation, seen.budget.cost_micros, seen.budget.steps, seen.budget.seconds) == (
        epb.CONFIRMATION_MODE_RISKY,
        2_500_000,
        40,
        0,
    )
    assert seen.HasField("fallback_model")
    assert answer.status_code == 200
    assert answer.json()["title"] == "Another"
    assert answer.json()["confirmation"] == "CONFIRMATION_MODE_RISKY"
    assert answer.json()["budget"] == {"costMicros": "2500000", "steps": 40}


async def test_what_is_absent_stays(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        await client.patch(f"{PATH}/{session}", json={"confirmation": "never"})
        await client.patch(f"{PATH}/{session}", json={"title": "Only this"})
    seen = ground.sessions.last("ConfigureSession").request
    assert not seen.HasField("budget")
    assert not seen.HasField("fallback_model")
    assert [call.rpc for call in ground.sessions.calls] == [
        "ConfigureSession",
        "GetSession",
        "RenameSession",
        "GetSession",
    ]


async def test_a_session_begins_with_its_settings(ground: Ground) -> None:
    body = {"task": "t", "confirmation": "always", "budget": {"seconds": 60}, "fallbackModel": "openai/two"}
    around = {"image": "go:1", "setup": "make", "setupSeconds": 90, "env": {"A": "1"}}
    async with ground.client() as client:
        assert (await client.post(PATH, json={**body, **around, "network": "off"})).status_code == 200
        assert (await client.post(PATH, json={**body, "network": "all"})).status_code == 422
        assert (await client.post(PATH, json={**body, "setupSeconds": 3601})).status_code == 422
        assert (await client.post(PATH, json={"task": "t"})).status_code == 200
    first, plain = (call.request for call in ground.sessions.calls if call.rpc == "CreateSession")
    assert (first.confirmation, first.budget.seconds, first.fallback_model) == (
        epb.CONFIRMATION_MODE_ALWAYS,
        60,
        "openai/two",
    )
    assert first.environment == pb.Environment(image="go:1", setup="make", setup_seconds=90, env={"A": "1"})
    assert (first.network, plain.network) == (epb.NETWORK_MODE_OFF, epb.NETWORK_MODE_UNSPECIFIED)
    assert not plain.HasField("budget")
    assert plain.confirmation == epb.CONFIRMATION_MODE_UNSPECIFIED


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"title": ""}),
        ("PATCH", "", {"title": "x" * 256}),
        ("PATCH", "", {"confirmation": "sometimes"}),
        ("PATCH", "", {"budget": {"steps": -1}}),
        ("PATCH", "", {"budget": {"costMicros": 2**63}}),
        ("PATCH", "", {"budget": {"seconds": "many"}}),
        ("PATCH", "", {"fallbackModel": 7}),
        ("PATCH", "/queue/m1", {"text": ""}),
        ("PATCH", "/queue/m1", {"delivery": "turn"}),
        ("PATCH", "/queue/m1", {"place": -1}),
        ("PATCH", "/queue/m1", {"place": 2**32}),
        ("POST", "/approvals/a", {"optionId": "x" * 101}),
        ("POST", "/approvals/a", {"text": ["no"]}),
        ("POST", "/messages", {"content": "c", "delivery": "soon"}),
    ],
)
async def test_bad_bodies(ground: Ground, method: str, path: str, body: dict[str, Any]) -> None:
    session = ground.sessions.put("usr_ann").session_id
    async with ground.client() as client:
        answer = await client.request(method, f"{PATH}/{session}{path}", json=body)
    assert answer.status_code == 422
    assert not ground.sessions.calls
