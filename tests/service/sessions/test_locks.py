"""Replicas that write, renew and check-point the same sessions at once never wait for each other in a circle."""

import asyncio
import random

import psycopg
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import CHANNEL_THOUGHT, Event, TitleChanged

from services.sessions.domain.models import Change, Draft
from tests.grounds.redis import Redis
from tests.service.sessions.conftest import Ground, sessions_ground

SESSIONS, ROUNDS = 16, 25


@pytest.mark.timeout(150)
async def test_no_deadlocks(postgres_url: str, redis: Redis) -> None:
    async with sessions_ground(postgres_url, redis.url) as one, sessions_ground(postgres_url, redis.url) as other:
        ids = [await new_session(one, number) for number in range(SESSIONS)]
        held = [record.session_id for record in await other.store.claim("w1", SESSIONS)]
        assert sorted(held) == sorted(ids)
        await asyncio.gather(
            write(one, ids), write(other, ids), renew(other, ids), checkpoint(other, ids), checkpoint(one, ids)
        )
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
            admin.execute("SELECT pg_stat_force_next_flush()")
            found = admin.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        await other.store.release("w1")
        assert [record.session_id for record in await one.store.claim("w2", 1)] != []
    assert found == (0,)


async def new_session(ground: Ground, number: int) -> str:
    asked = pb.CreateSessionRequest(task="t", request_id=f"r{number}")
    return str((await ground.stub.CreateSession(asked, metadata=ground.me())).session.session_id)


async def write(ground: Ground, ids: list[str]) -> None:
    draft = Draft(Event(title_changed=TitleChanged(title="t")))
    for _ in range(ROUNDS):
        order = random.sample(ids, len(ids))
        await asyncio.gather(*(ground.store.apply(which, lambda _: Change(drafts=(draft,))) for which in order))


async def renew(ground: Ground, ids: list[str]) -> None:
    for _ in range(ROUNDS):
        assert len(await ground.store.renew("w1", random.sample(ids, len(ids)))) == len(ids)


async def checkpoint(ground: Ground, ids: list[str]) -> None:
    for number in range(ROUNDS):
        item = f"itm_{id(ground)}"
        texts = {(which, item, int(CHANNEL_THOUGHT)): b"x" * number for which in random.sample(ids, len(ids))}
        await ground.store.save_progress(texts)
