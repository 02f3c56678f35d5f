"""A lease whose owner does not work under it need not run out before that owner goes on."""

import asyncio
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, TitleChanged, TurnCompleted

from services.sessions.domain.errors import Fenced, StoreUnavailable
from services.sessions.domain.models import Change, Draft, Lease
from services.sessions.ports import Transition
from services.sessions.store.database import open_database
from services.sessions.store.migrating import migrate
from tests.fakes.scripted_model import said
from tests.service.sessions.conftest import Ground
from tests.service.sessions.owners import is_whole, memory, stage
from tests.service.sessions.test_pause_and_steer import FINISH, MAKE, idle

HOUR = 3600.0


async def test_a_claim_whose_answer_was_lost_is_made_again(ground: Ground) -> None:
    asked = pb.CreateSessionRequest(task="t", request_id="r")
    session = (await ground.stub.CreateSession(asked, metadata=ground.me())).session.session_id
    (lost,) = await ground.store.claim("w1", 5)
    assert await ground.store.claim("w1", 5, [session]) == []
    assert await ground.store.claim("w2", 5) == []
    (again,) = await ground.store.claim("w1", 5)
    assert again.lease_epoch == lost.lease_epoch + 1
    titled = Change(drafts=(Draft(Event(title_changed=TitleChanged(title="t"))),))
    with pytest.raises(Fenced):
        await ground.store.apply(session, lambda _: titled, Lease(session, lost.lease_epoch))


@pytest.mark.parametrize("outage", range(1, 12))
async def test_an_owner_whose_database_was_away_goes_on_within_its_own_lease(
    outage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with memory() as folder:
        url = f"sqlite:///{folder}/sessions.db"
        await asyncio.to_thread(lambda: asyncio.run(migrate(open_database(url))))
        played = stage(url, [said("I make it.", MAKE), said("", FINISH)], lease_seconds=HOUR)
        async with played.person() as person:
            owner = played.owner()
            apply, left = owner.store.apply, outage

            async def fails_once(session_id: str, transition: Transition, lease: Lease | None = None) -> Any:
                nonlocal left
                left -= lease is not None
                if lease is not None and left == 0:
                    raise StoreUnavailable
                return await apply(session_id, transition, lease)

            monkeypatch.setattr(owner.store, "apply", fails_once)
            await played.create(person)
            await owner.start()
            events = await played.until(person, idle)
            await owner.end()
    is_whole(events)
    assert [event.turn_completed.outcome for event in events if event.HasField("turn_completed")] == [
        TurnCompleted.OUTCOME_DONE
    ]
