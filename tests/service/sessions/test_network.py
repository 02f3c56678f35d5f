"""How far a session's network goes: chosen with it, kept, and never more than the installation allows."""

from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import NetworkMode

from services.rpc.errors import Code
from services.sessions.client import SessionsClient
from services.sessions.domain.errors import NetworkNotAllowed
from services.sessions.domain.models import NewSession
from services.sessions.settings import Settings
from services.sessions.usecases.create_session import create_session
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_rpcs import create, refused


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


@pytest.mark.parametrize("mode", NetworkMode.values())
async def test_a_session_keeps_the_network_that_it_was_made_with(client: SessionsClient, mode: Any) -> None:
    made = await create(client, network=mode)
    found = await client.get_session(pb.GetSessionRequest(session_id=made.session_id))
    assert made.network == found.session.network == mode


async def test_a_mode_that_is_none_is_refused(client: SessionsClient) -> None:
    error = await refused(client.create_session(pb.CreateSessionRequest(task="t", network=9)))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_more_than_the_installation_allows_is_refused_before_anything_is_made(ground: Ground) -> None:
    registries = NetworkMode.NETWORK_MODE_REGISTRIES
    ports = replace(ground.ports, limits=replace(ground.ports.limits, network=registries))
    with pytest.raises(NetworkNotAllowed):
        await create_session(ports, NewSession("usr_1", "t", network=NetworkMode.NETWORK_MODE_LIST))
    assert (await create_session(ports, NewSession("usr_1", "t", network=registries))).network == registries


@pytest.mark.parametrize(("said", "mode"), [("", 2), ("off", 1), ("registries", 2), ("list", 3)])
def test_the_most_is_the_operators_setting(said: str, mode: int) -> None:
    assert Settings.from_env({"EGRESS": said}).network == mode


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="EGRESS must be off, registries or list, not 'all'"):
        Settings.from_env({"EGRESS": "all"})
