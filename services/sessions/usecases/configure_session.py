"""Changes how a session works: what the agent asks first, what it may use, who answers when its model fails."""

from collections.abc import Callable

from lucid.sessions.v1.event_pb2 import SOURCE_USER, Event

from services.sessions.domain.models import Change, Draft, Policy, SessionRecord, State
from services.sessions.domain.policy import to_event
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned


async def configure_session(
    ports: Ports, caller: str, session_id: str, changed: Callable[[Policy], Policy]
) -> SessionRecord:
    """The session as it works from here on; a running agent follows from its next step. What is so already stores
    nothing. Raises SessionNotFound, UnknownModel, NoModelKey."""
    before = (await owned(ports, caller, session_id)).policy
    fallback = changed(before).fallback_model
    if fallback and fallback != before.fallback_model:
        ports.models.check(fallback, has_own_key=False)

    def decide(row: SessionRecord) -> Change:
        policy = changed(row.policy)
        if policy == row.policy:
            return Change()
        configured = Event(source=SOURCE_USER, session_configured=to_event(policy))
        # A session that waits for more of what it may use looks again.
        looks = row.state is State.WAITING and policy.budget != row.policy.budget and not row.pause_requested
        return Change(drafts=(Draft(configured),), policy=policy, wanted=True if looks else None)

    if await ports.store.apply(session_id, decide):
        ports.signals.wanted()
    return await ports.store.get(session_id)
