"""Does again what persons did, each thing at its recorded place."""

from collections.abc import Awaitable, Callable

from lucid.sessions.v1.event_pb2 import Event, QueueChanged, StatusChanged, UserMessage

from services.sessions.domain.policy import from_event
from services.sessions.ports import Ports
from services.sessions.usecases.cancel_queued_message import cancel_queued_message
from services.sessions.usecases.configure_session import configure_session
from services.sessions.usecases.move_queued_message import move_queued_message
from services.sessions.usecases.pause_session import pause_session
from services.sessions.usecases.rename_session import rename_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.resume_session import resume_session
from services.sessions.usecases.send_message import send_message
from services.sessions.usecases.stop_session import stop_session
from services.sessions.usecases.update_queued_message import update_queued_message

PERSON = "replay"


class Person:
    """`request_of`: the new id of a recorded question."""

    def __init__(self, ports: Ports, session_id: str, request_of: Callable[[str], str]) -> None:
        self._ports = ports
        self._session_id = session_id
        self._request_of = request_of

    async def does(self, event: Event) -> None:
        """What the event says. Raises what the service refuses with."""
        ports, which = self._ports, (PERSON, self._session_id)
        match event.WhichOneof("payload"):
            case "user_message":
                await send_message(ports, *which, event.user_message.text, event.user_message.client_message_id)
            case "queue_changed":
                await self._queue(event.queue_changed)
            case "approval_resolved":
                done = event.approval_resolved
                await resolve_approval(ports, *which, self._request_of(done.request_id), done.option_id, done.text)
            case "title_changed":
                await rename_session(ports, *which, event.title_changed.title)
            case "session_configured":
                policy = from_event(event.session_configured)
                await configure_session(ports, *which, lambda _: policy)
            case "status_changed":
                await self._phase(event.status_changed.phase)

    async def goes_on(self) -> None:
        """Lets a queue go on that waited for the person: that leaves no event of its own."""
        await resume_session(self._ports, PERSON, self._session_id)

    async def _queue(self, change: QueueChanged) -> None:
        ports, which, item = self._ports, (PERSON, self._session_id), change.queue_item_id
        steer = change.delivery == UserMessage.DELIVERY_STEER
        match change.change:
            case QueueChanged.CHANGE_ADDED:
                await send_message(ports, *which, change.text, item, steer)
            case QueueChanged.CHANGE_EDITED:
                await update_queued_message(ports, *which, item, change.text, steer)
            case QueueChanged.CHANGE_MOVED:
                await move_queued_message(ports, *which, item, list(change.order).index(item))
            case QueueChanged.CHANGE_CANCELLED:
                await cancel_queued_message(ports, *which, item)

    async def _phase(self, phase: int) -> None:
        wishes: dict[int, Callable[[Ports, str, str], Awaitable[bool]]] = {
            StatusChanged.PHASE_STOPPING: stop_session,
            StatusChanged.PHASE_PAUSING: pause_session,
            StatusChanged.PHASE_PAUSED: pause_session,
            StatusChanged.PHASE_RESUMING: resume_session,
        }
        if phase in wishes:
            await wishes[phase](self._ports, PERSON, self._session_id)
