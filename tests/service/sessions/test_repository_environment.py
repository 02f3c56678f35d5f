"""What a person sets for a repository: their sessions on it begin with it, nobody is shown a value."""

import asyncio
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.errors import Code
from services.sessions.client import SessionsClient
from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Repository
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_rpcs import create, refused

TEA = pb.Repository(provider="local", full_name="lucid/teatime")
WISH = pb.Environment(image="golang:1.27", setup="make", setup_seconds=90, env={"A": "hidden-value", "B": "2"})
SHOWN = pb.Environment(image="golang:1.27", setup="make", setup_seconds=90, env={"A": "", "B": ""})


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


async def save(client: SessionsClient, environment: pb.Environment, *kept: str, **fields: Any) -> pb.Environment:
    request = pb.SaveRepositoryEnvironmentRequest(
        repository=fields.get("repository", TEA), environment=environment, kept_variables=kept
    )
    return (await client.save_repository_environment(request)).environment


async def found(client: SessionsClient, full_name: str = "lucid/teatime") -> pb.Environment:
    request = pb.GetRepositoryEnvironmentRequest(provider="local", full_name=full_name)
    return (await client.get_repository_environment(request)).environment


async def began(ground: Ground, client: SessionsClient, **fields: Any) -> Environment:
    session = await create(client, **{"repository": TEA, **fields})
    return (await ground.store.get(session.session_id)).environment


async def test_save_repository_environment_holds_for_its_sessions(ground: Ground, client: SessionsClient) -> None:
    assert await began(ground, client) == Environment()
    for _ in range(2):
        assert await save(client, WISH) == SHOWN
    assert await began(ground, client) == Environment("golang:1.27", "make", 90, {"A": "hidden-value", "B": "2"})
    own = pb.Environment(setup="true", env={"B": "3"})
    joined = Environment("golang:1.27", "true", 0, {"A": "hidden-value", "B": "3"})
    assert await began(ground, client, environment=own) == joined
    other = pb.Repository(provider="local", full_name="lucid/other")
    assert await began(ground, client, repository=other) == Environment()
    assert (await ground.store.get((await create(client)).session_id)).environment == Environment()


async def test_get_repository_environment_is_ones_own_and_without_values(
    ground: Ground, client: SessionsClient
) -> None:
    assert await found(client) == pb.Environment()
    await save(client, WISH)
    assert await found(client) == SHOWN
    assert await found(client, "lucid/other") == pb.Environment()
    stranger = SessionsClient(ground.channel, ground.me("u2"))
    assert await found(stranger) == pb.Environment()
    assert await began(ground, stranger) == Environment()


async def test_values_of_before_can_be_kept(ground: Ground, client: SessionsClient) -> None:
    await save(client, WISH)
    await save(client, pb.Environment(env={"B": "new", "C": ""}), "A", "B", "never set")
    assert await began(ground, client) == Environment("", "", 0, {"A": "hidden-value", "B": "new", "C": ""})
    assert await save(client, pb.Environment()) == await found(client) == pb.Environment()
    assert await began(ground, client) == Environment()


async def test_twice_at_once_is_one(client: SessionsClient) -> None:
    wishes = [pb.Environment(setup=f"make {number}") for number in range(8)]
    saved = await asyncio.gather(*(save(client, wish) for wish in wishes))
    assert list(saved) == wishes
    assert await found(client) in wishes


async def test_an_image_that_the_operator_allows_no_more_is_refused_at_the_start(
    ground: Ground, client: SessionsClient
) -> None:
    await save(client, WISH)
    stored = Environment("gone:1", "", 0, {})
    await ground.store.save_environment("u1", Repository("local", "lucid/teatime"), stored)
    assert (await refused(create(client, repository=TEA))).reason == "IMAGE_NOT_ALLOWED"
    assert await began(ground, client, environment=pb.Environment(image="golang:1")) == Environment("golang:1")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"repository": None}, "INVALID_REQUEST"),
        ({"repository": pb.Repository()}, "INVALID_REPOSITORY"),
        ({"repository": pb.Repository(provider="svn", full_name="a/b")}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(image="strange:1")}, "IMAGE_NOT_ALLOWED"),
        ({"environment": pb.Environment(setup="a\0b")}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={"PATH": "/x"})}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={f"B{n}": "x" for n in range(100)})}, "INVALID_REQUEST"),
        ({"kept_variables": ["A"] * 101}, "INVALID_REQUEST"),
    ],
)
async def test_save_repository_environment_refuses_and_changes_nothing(
    client: SessionsClient, fields: dict[str, Any], reason: str
) -> None:
    await save(client, WISH)
    wish = {"repository": TEA, "kept_variables": ["A"], **fields}
    error = await refused(client.save_repository_environment(pb.SaveRepositoryEnvironmentRequest(**wish)))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, reason)
    assert await found(client) == SHOWN


@pytest.mark.parametrize(
    "fields", [{}, {"provider": "svn", "full_name": "a/b"}, {"provider": "local", "full_name": "a\0"}]
)
async def test_get_repository_environment_refuses(client: SessionsClient, fields: dict[str, Any]) -> None:
    error = await refused(client.get_repository_environment(pb.GetRepositoryEnvironmentRequest(**fields)))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
