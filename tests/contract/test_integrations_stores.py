"""One suite for integrations' stores, on SQLite and on Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.integrations.domain.errors import Fenced, GateNotFound, PullRequestExists
from services.integrations.domain.models import (
    Act,
    Connection,
    Gate,
    Proposal,
    PullRequest,
    PullRequestState,
    RefUpdate,
    Repository,
    SealedToken,
)
from services.integrations.ports import PullRequestRecord
from services.integrations.store.connections import SqlConnectionStore
from services.integrations.store.database import migrate, open_database
from services.integrations.store.gates import SqlGateStore
from services.integrations.store.outbox import SqlOutbox
from services.integrations.store.pull_requests import SqlPullRequestStore
from services.storage.database import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPOSITORY = Repository(
    "local", "lucid/teatime", "http://h/local/lucid/teatime", "http://h/l.git", "main", description="x"
)
GATE = Gate("ses_1", "usr_ada", REPOSITORY, "local", "http://h/local", 3)
CONNECTION = Connection(
    "con_1", "usr_ada", "github", "ada", "ada", ("repo", "workflow"), "wxyz", "https://github.com", NOW
)
PULL = PullRequest("local", "a/b", 7, "http://h/7", "T", "B", "h", "main", False, PullRequestState.OPEN, NOW, 3, 1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = open_database(database_url)
    await migrate(made)
    await migrate(made)  # the second time there is nothing to do
    yield made
    await made.dispose()


async def test_connections(database: Database) -> None:
    store = SqlConnectionStore(database)
    assert await store.find("usr_ada", "github") is None
    assert await store.save(CONNECTION, SealedToken("one")) == CONNECTION
    again = await store.save(replace(CONNECTION, connection_id="con_2", username="bea"), SealedToken("two"))
    assert (again.connection_id, again.username) == ("con_1", "bea")
    await store.save(replace(CONNECTION, connection_id="con_3", user_id="usr_eve"), SealedToken("three"))
    assert [one.username for one in await store.list("usr_ada")] == ["bea"]
    assert await store.find("usr_ada", "github") == (again, SealedToken("two"))
    await store.reseal("usr_ada", "github", SealedToken("stale"), SealedToken("no"))
    await store.reseal("usr_ada", "github", SealedToken("two"), SealedToken("new"))
    assert (await store.find("usr_ada", "github") or (None, None))[1] == SealedToken("new")
    assert await store.delete("usr_ada", "github")
    assert not await store.delete("usr_ada", "github")
    assert len(await store.list("usr_eve")) == 1


async def test_gates_and_their_fence(database: Database) -> None:
    store = SqlGateStore(database)
    with pytest.raises(GateNotFound):
        await store.fence("ses_1", 1)
    await store.open(GATE)
    assert await store.find("ses_1") == GATE
    await store.fence("ses_1", 3)
    await store.fence("ses_1", 8)
    with pytest.raises(Fenced):
        await store.fence("ses_1", 7)
    with pytest.raises(Fenced):
        await store.open(replace(GATE, epoch=7))
    await store.open(replace(GATE, epoch=8))
    await store.close("ses_1")
    assert await store.find("ses_1") is None
    with pytest.raises(GateNotFound):
        await store.fence("ses_1", 9)
    with pytest.raises(Fenced):
        await store.open(replace(GATE, epoch=7))


async def test_gates_opened_at_once(database: Database) -> None:
    store = SqlGateStore(database)
    for number in range(25):  # the race is one of a few: a row may come between the two looks at it
        session = f"ses_{number}"
        calls = [store.open(replace(GATE, session_id=session, epoch=epoch)) for epoch in range(1, 9)]
        await asyncio.gather(*calls, return_exceptions=True)
        found = await store.find(session)
        assert found is not None
        assert found.epoch == 8


async def test_pushes_are_numbered_without_gaps(database: Database) -> None:
    store = SqlGateStore(database)
    await store.open(GATE)
    moves = [[RefUpdate(f"b{number}", "0" * 40, "1" * 40), RefUpdate(f"c{number}", "0", "1")] for number in range(6)]
    await asyncio.gather(*(store.record_pushes(GATE, move) for move in moves))
    found = await store.pushes("ses_1")
    assert [push.number for push in found] == list(range(1, 13))
    assert {push.update.branch for push in found} == {update.branch for move in moves for update in move}
    assert [push.number for push in await store.pushes("ses_1", 10)] == [11, 12]
    assert await store.pushes("ses_2") == []


async def test_outbox(database: Database) -> None:
    store = SqlOutbox(database)
    act = Act("key", "ses_1", "open_pull_request", "there")
    assert await store.begin(act) == (act, True)
    assert await store.begin(replace(act, target="elsewhere")) == (act, False)
    done = await store.finish("key", PULL, existed=True)
    assert (done.answer, done.existed) == (PULL, True)
    assert (await store.finish("key", replace(PULL, number=9), existed=False)).answer == PULL
    assert await store.begin(act) == (done, False)


async def test_outbox_at_once(database: Database) -> None:
    store = SqlOutbox(database)
    begun = await asyncio.gather(*(store.begin(Act("key", "ses_1", "act", f"t{number}")) for number in range(8)))
    assert sum(new for _, new in begun) == 1
    assert len({act.target for act, _ in begun}) == 1


async def test_pull_requests(database: Database) -> None:
    store = SqlPullRequestStore(database)
    first = await store.create("a/b", Proposal("T", "B", "h1", "main", True), "http://h/{number}")
    assert (first.number, first.url, first.draft, first.state) == (1, "http://h/1", True, PullRequestState.OPEN)
    assert first.create_time.tzinfo is not None
    with pytest.raises(PullRequestExists):
        await store.create("a/b", Proposal("T", "B", "h1", "main"), "http://h/{number}")
    assert (await store.create("a/b", Proposal("T", "", "h1", "dev"), "{number}")).number == 2
    assert (await store.create("c/d", Proposal("T", "", "h1", "main"), "{number}")).number == 1
    assert await store.find_open("a/b", "h1", "main") == first
    assert await store.find_open("a/b", "h1", "") == first
    assert await store.find_open("a/b", "h2", "main") is None
    await store.plan_merge("a/b", 1, PullRequestRecord(first, "1" * 40, "2" * 40, "3" * 40))
    await store.mark_merged("a/b", 1)
    await store.plan_merge("a/b", 1, PullRequestRecord(first, "", "", ""))  # too late
    record = await store.find("a/b", 1)
    assert record is not None
    assert (record.pull_request.state, record.merge_commit) == (PullRequestState.MERGED, "3" * 40)
    assert await store.find_open("a/b", "h1", "main") is None
    assert (await store.create("a/b", Proposal("T", "", "h1", "main"), "{number}")).number == 3
    assert await store.find("a/b", 99) is None


async def test_pull_requests_opened_at_once(database: Database) -> None:
    store = SqlPullRequestStore(database)
    same = [store.create("a/b", Proposal("T", "", "h", "main"), "{number}") for _ in range(4)]
    made = await asyncio.gather(*same, return_exceptions=True)
    assert sum(isinstance(one, PullRequest) for one in made) == 1
    assert sum(isinstance(one, PullRequestExists) for one in made) == 3
    others = [store.create("a/b", Proposal("T", "", f"h{number}", "main"), "{number}") for number in range(4)]
    assert {one.number for one in await asyncio.gather(*others)} == {2, 3, 4, 5}
