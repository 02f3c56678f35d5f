"""Gives a session another title."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, TitleChanged

from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def rename_session(ports: Ports, caller: str, session_id: str, title: str) -> SessionRecord:
    """The session with its title; the same title again changes nothing."""
    await owned(ports, caller, session_id)
    changed = Draft(Event(source=SOURCE_USER, title_changed=TitleChanged(title=title, by_user=True)))

    def decide(row: SessionRecord) -> Change:
        return Change() if row.title == title else Change(drafts=(changed,), title=title)

    await ports.store.apply(session_id, decide)
    return await ports.store.get(session_id)
