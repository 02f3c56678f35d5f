"""People and sign-ins, on SQLite and Postgres alike."""

import asyncio

import pytest

from services.gateway.domain.models import Account
from services.gateway.store.database import migrate, open_database
from services.gateway.store.sql import SqlAccountStore


@pytest.fixture
async def store(database_url: str):
    database = open_database(database_url)
    await migrate(database)
    yield SqlAccountStore(database)
    await database.dispose()


ANN = Account(email="ann@x.org", name="ann")


async def test_one_user_per_address_also_for_many_at_once(store: SqlAccountStore) -> None:
    users = await asyncio.gather(*(store.ensure_user(ANN) for _ in range(10)))
    assert {user.user_id for user in users} == {users[0].user_id}
    assert users[0].user_id.startswith("usr_")
    assert await store.find_user(users[0].user_id) == users[0]
    assert await store.find_user("usr_nobody") is None


async def test_the_name_of_a_known_user_stays(store: SqlAccountStore) -> None:
    first = await store.ensure_user(ANN)
    assert await store.ensure_user(Account(email=ANN.email, name="other")) == first


async def test_sign_ins_lapse_by_the_databases_clock(store: SqlAccountStore) -> None:
    user = await store.ensure_user(ANN)
    made = await store.add_sign_in("h1", user.user_id, 60)
    assert await store.find_sign_in("h1") == made
    await store.add_sign_in("h2", user.user_id, 0)
    assert await store.find_sign_in("h2") is None
    assert await store.find_sign_in("h3") is None


async def test_an_end_is_an_end(store: SqlAccountStore) -> None:
    user = await store.ensure_user(ANN)
    await store.add_sign_in("h1", user.user_id, 60)
    await store.add_sign_in("h2", user.user_id, 60)
    await store.remove_sign_in("h1")
    await store.remove_sign_in("h1")
    assert await store.find_sign_in("h1") is None
    assert await store.find_sign_in("h2") is not None


async def test_migrating_again_keeps_what_is_there(database_url: str) -> None:
    ids = set()
    for _ in range(2):
        database = open_database(database_url)
        await migrate(database)
        ids.add((await SqlAccountStore(database).ensure_user(ANN)).user_id)
        await database.dispose()
    assert len(ids) == 1


async def test_replicas_that_start_together_on_an_empty_postgres(postgres_url: str) -> None:
    databases = [open_database(postgres_url) for _ in range(3)]
    await asyncio.gather(*(migrate(database) for database in databases))
    for database in databases:
        await database.dispose()
