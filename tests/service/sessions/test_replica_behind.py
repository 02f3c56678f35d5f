"""A viewer comes to a replica that knows less of what is in progress than the viewer itself."""

import pytest
from lucid.sessions.v1.event_pb2 import CHANNEL_THOUGHT

from services.sessions.store import sharing
from tests.fakes.viewer import Viewer
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_replicas import Watching, owner, shows


@pytest.mark.parametrize("meanwhile", ["", "between "])
async def test_who_knows_more_than_a_replica_that_has_not_heard_the_owner_is_not_told_it_again(
    pair: tuple[Ground, Ground], monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    here, there = pair
    journal = await owner(here)
    item = await journal.open_text(CHANNEL_THOUGHT)
    item.write("said before ")
    viewer = Viewer(journal.session_id)
    watching = Watching(here, viewer)
    await watching.until(shows(b"said before "))
    await watching.close()
    item.write(meanwhile)
    # The owner's answer comes after the watcher has been let in.
    monkeypatch.setattr(sharing, "OWNER_SECONDS", 0)
    watching = Watching(there, viewer)
    await watching.until(lambda viewer: viewer.caught_up)
    item.write("and after")
    await watching.until(shows(item.text.encode()))
    await watching.close()
    assert viewer.delta_bytes == len(item.text.encode())
