"""How a session works is changed while it works: durable, told in the log, followed by the running agent."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CONFIRMATION_MODE_ALWAYS, CONFIRMATION_MODE_RISKY, Budget

from services.sessions.client import SessionsClient
from services.sessions.domain.models import Confirmation
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_rpcs import create, owned, refused


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


async def test_configure_session_changes_what_is_set_and_tells_the_whole(client: SessionsClient) -> None:
    made = await create(client, confirmation=CONFIRMATION_MODE_RISKY, budget=Budget(cost_micros=2**62, steps=7))

    async def configure(**wish: Any) -> pb.Session:
        return (await client.configure_session(pb.ConfigureSessionRequest(session_id=made.session_id, **wish))).session

    first = await configure(confirmation=CONFIRMATION_MODE_ALWAYS)
    assert (first.confirmation, first.budget) == (CONFIRMATION_MODE_ALWAYS, made.budget)
    second = await configure(budget=Budget(seconds=2**32 - 1), fallback_model="demo")
    assert (second.confirmation, second.budget) == (CONFIRMATION_MODE_ALWAYS, Budget(seconds=2**32 - 1))
    assert second.fallback_model == "demo"
    third = await configure(fallback_model="")
    assert third.fallback_model == ""
    page = await client.list_events(pb.ListEventsRequest(session_id=made.session_id, after_seq=made.last_seq))
    told = [event.session_configured for event in page.events]
    assert [(one.confirmation, one.budget.seconds, one.fallback_model) for one in told] == [
        (CONFIRMATION_MODE_ALWAYS, 0, ""),
        (CONFIRMATION_MODE_ALWAYS, 2**32 - 1, "demo"),
        (CONFIRMATION_MODE_ALWAYS, 2**32 - 1, ""),
    ]


async def test_configure_session_again_stores_nothing(client: SessionsClient) -> None:
    made = await create(client)
    request = pb.ConfigureSessionRequest(session_id=made.session_id, budget=Budget(steps=3))
    changed = (await client.configure_session(request)).session
    assert (await client.configure_session(request)).session == changed
    nothing = pb.ConfigureSessionRequest(session_id=made.session_id)
    assert (await client.configure_session(nothing)).session == changed


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"fallback_model": "nobody/none"}, "UNKNOWN_MODEL"),
        ({"fallback_model": "a\0b"}, "INVALID_REQUEST"),
        ({"fallback_model": "x" * 201}, "INVALID_REQUEST"),
        ({"confirmation": 77}, "INVALID_REQUEST"),
        ({"budget": Budget(cost_micros=-1)}, "INVALID_REQUEST"),
    ],
)
async def test_configure_session_refuses_and_stores_nothing(
    client: SessionsClient, wish: dict[str, Any], reason: str
) -> None:
    made = await create(client)
    request = pb.ConfigureSessionRequest(session_id=made.session_id, **wish)
    assert (await refused(client.configure_session(request))).reason == reason
    assert (await client.get_session(pb.GetSessionRequest(session_id=made.session_id))).session == made


async def test_the_owner_sees_it_at_its_next_append(ground: Ground, client: SessionsClient) -> None:
    made = await create(client)
    journal = await owned(ground)
    assert journal.policy.confirmation is Confirmation.DEFAULT
    await client.configure_session(
        pb.ConfigureSessionRequest(session_id=made.session_id, confirmation=CONFIRMATION_MODE_ALWAYS)
    )
    await journal.settle()
    assert journal.policy.confirmation is Confirmation.ALWAYS
