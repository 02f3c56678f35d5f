"""Pages of a long log by the one coordinate, from both ends and at every bound."""

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.status import RemoteError
from services.sessions.client import SessionsClient
from tests.service.sessions.conftest import Ground
from tests.service.sessions.logs import append_many

LENGTH = 10_000


async def create(client: SessionsClient) -> str:
    return (await client.create_session(pb.CreateSessionRequest(task="t"))).session.session_id


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


async def page(client: SessionsClient, session_id: str, **bounds: int) -> list[int]:
    answer = await client.list_events(pb.ListEventsRequest(session_id=session_id, **bounds))
    return [event.seq for event in answer.events]


async def test_list_events_of_ten_thousand(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, LENGTH - 3)
    everything = list(range(1, LENGTH + 1))

    async def seqs(**bounds: int) -> list[int]:
        return await page(client, session_id, **bounds)

    assert await seqs() == everything[:100]
    assert await seqs(page_size=1) == [1]
    assert await seqs(page_size=100_000) == everything[:1000]
    assert await seqs(after_seq=LENGTH - 1) == [LENGTH]
    assert await seqs(after_seq=LENGTH) == []
    assert await seqs(after_seq=2**32 - 1) == []
    assert await seqs(before_seq=1) == []
    assert await seqs(before_seq=2) == [1]
    assert await seqs(before_seq=LENGTH + 1, page_size=3) == everything[-3:]
    # Beyond the end the latest are still the latest.
    assert await seqs(before_seq=LENGTH + 500, page_size=3) == everything[-3:]
    assert await seqs(before_seq=2**32 - 1, page_size=1000) == everything[-1000:]
    assert await seqs(before_seq=500, after_seq=490) == list(range(491, 500))
    assert await seqs(before_seq=500, after_seq=499) == []
    assert await seqs(before_seq=500, after_seq=900) == []
    with pytest.raises(RemoteError) as refused:
        await seqs(page_size=-1)
    assert refused.value.reason == "INVALID_REQUEST"
    # Back from the end to the beginning, as the page does: every event once.
    back: list[int] = []
    while before := (back[0] if back else LENGTH + 1) - 1:
        back = [*await seqs(before_seq=before + 1, page_size=777), *back]
    assert back == everything
    forth: list[int] = []
    while more := await seqs(after_seq=forth[-1] if forth else 0, page_size=900):
        forth += more
    assert forth == everything


async def test_a_page_of_large_events_is_shorter_and_nothing_is_left_out(
    ground: Ground, client: SessionsClient
) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 40, text="x" * 260_000)
    forth = await page(client, session_id, page_size=1000)
    assert 1 < len(forth) < 20
    while more := await page(client, session_id, after_seq=forth[-1], page_size=1000):
        forth += more
    assert forth == list(range(1, 44))
    back = await page(client, session_id, before_seq=44, page_size=1000)
    assert (back[-1], 1 < len(back) < 20) == (43, True)
    while more := await page(client, session_id, before_seq=back[0], page_size=1000):
        back = more + back
    assert back == forth
