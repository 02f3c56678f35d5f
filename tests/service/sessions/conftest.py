"""A sessions service over a real database, with an owner that the test plays itself."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import grpc
import pytest
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc

from services.rpc.identity import Verifier, sign_access_token, user_metadata
from services.rpc.serving import Service
from services.rpc.testing import serving
from services.sessions.agent.signals import LocalSignals
from services.sessions.backends.redis import RedisBus
from services.sessions.domain.errors import UnknownModel
from services.sessions.domain.models import Repository
from services.sessions.ports import Limits, Ports
from services.sessions.server import SERVICE, access
from services.sessions.servicer import SessionsServicer
from services.sessions.store.database import open_database
from services.sessions.store.replica import Replica
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.watching import LiveWatching
from tests.grounds.redis import Redis

SECRET, KEY = "s" * 32, "k" * 32


class OneModel:
    """The Models port with the demo's name only."""

    default = "demo"
    fallback = ""

    def names(self) -> tuple[str, ...]:
        return ("demo",)

    def check(self, model: str, has_own_key: bool) -> None:
        if model != "demo":
            raise UnknownModel(model=model)


class Nothing:
    """Workspace and Forge of a session that has neither."""

    async def images(self) -> tuple[str, ...]:
        return ("lucid-sandbox:latest", "golang:*")

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        return wanted

    async def delete(self, record: Any) -> None: ...

    async def close_gate(self, record: Any) -> None: ...


class PlainSealer:
    def seal(self, owner_id: str, secret: str) -> str:
        return f"sealed:{owner_id}:{len(secret)}"


@dataclass
class Ground:
    """The service and what a test wants of it."""

    ports: Ports
    store: SqlEventStore
    live: LiveWatching
    channel: grpc.aio.Channel
    stub: Any
    local: LocalSignals

    def me(self, user: str = "u1") -> Any:
        return user_metadata(sign_access_token(SECRET, user, 600))


@contextlib.asynccontextmanager
async def sessions_ground(database_url: str, redis_url: str = "") -> AsyncIterator[Ground]:
    """With `redis_url` one of several replicas."""
    signals = LocalSignals()
    replica = Replica(RedisBus(redis_url), signals) if redis_url else None
    live = replica.live if replica else LiveWatching()
    store = SqlEventStore(open_database(database_url), live.publish, 5.0, live.forget)
    live.backed_by(store)
    nothing = cast(Any, Nothing())
    ports = Ports(
        store=store,
        live=live,
        models=cast(Any, OneModel()),
        workspace=nothing,
        forge=nothing,
        clock=nothing,
        sealer=cast(Any, PlainSealer()),
        signals=replica.signals if replica else signals,
        limits=Limits(),
    )
    servicer = SessionsServicer(ports)

    async def start() -> None:
        await store.start()
        if replica:
            replica.start()

    async def stop() -> None:
        if replica:
            await replica.stop()
        await store.stop()

    service = Service(
        "sessions",
        (SERVICE.full_name,),
        lambda server: pb_grpc.add_SessionsServiceServicer_to_server(servicer, server),
        access(),
        start,
        stop,
    )
    async with serving(service, verifier=Verifier(SECRET, KEY)) as channel:
        yield Ground(ports, store, live, channel, pb_grpc.SessionsServiceStub(channel), signals)


@pytest.fixture
async def ground(database_url: str) -> AsyncIterator[Ground]:
    async with sessions_ground(database_url) as made:
        yield made


@pytest.fixture
async def pair(postgres_url: str, redis: Redis) -> AsyncIterator[tuple[Ground, Ground]]:
    """Two replicas on one Postgres and one Redis."""
    async with sessions_ground(postgres_url, redis.url) as one, sessions_ground(postgres_url, redis.url) as other:
        yield one, other
