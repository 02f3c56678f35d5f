"""Gives a session another title."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event, TitleChanged

from services.rpc.errors import InvalidRequest
from services.sessions.domain.models import Change, Draft, SessionRecord
from services.sessions.domain.titles import one_line
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def rename_session(ports: Ports, caller: str, session_id: str, title: str) -> SessionRecord:
    """The session with its title, which no model replaces; the same title again changes nothing.

    Raises SessionNotFound, and InvalidRequest for a title of blanks only.
    """
    await owned(ports, caller, session_id)
    title = one_line(title)
    if not title:
        raise InvalidRequest("title: must not be blank", field="title")
    changed = Draft(Event(source=SOURCE_USER, title_changed=TitleChanged(title=title, by_user=True)))

    def decide(row: SessionRecord) -> Change:
        return Change(
            drafts=() if row.title == title and row.title_by_user else (changed,), title=title, title_by_user=True
        )

    await ports.store.apply(session_id, decide)
    return await ports.store.get(session_id)
