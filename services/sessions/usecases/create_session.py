"""A session and its first message, in one step; the agent starts on it at once."""

from lucid.sessions.v1.event_pb2 import (
    SOURCE_SYSTEM,
    SOURCE_USER,
    Event,
    ModelSelected,
    StatusChanged,
    UserMessage,
)

from services.rpc.ids import new_id, new_ulid
from services.sessions.domain.environment import Environment, is_allowed, joined
from services.sessions.domain.errors import ImageNotAllowed, InvalidRepository, NetworkNotAllowed, SandboxAway
from services.sessions.domain.models import Change, Draft, NewSession, Repository, SessionRecord, State
from services.sessions.domain.titles import title_of
from services.sessions.domain.work import ToolFailure
from services.sessions.ports import Ports


async def create_session(ports: Ports, wish: NewSession) -> SessionRecord:
    """The session as stored, or the first one of the same request_id. Nothing is stored for a wish that is refused."""
    model = wish.model or ports.models.default
    ports.models.check(model, bool(wish.model_api_key))
    if wish.policy.fallback_model:
        ports.models.check(wish.policy.fallback_model, has_own_key=False)
    if wish.network > ports.limits.network:
        raise NetworkNotAllowed
    await check_image(ports, wish.environment.image)
    repository = None if wish.repository is None else await resolved(ports, wish.owner_id, wish.repository)
    environment = await _environment(ports, wish, repository)
    record = SessionRecord(
        session_id=new_id("ses"),
        owner_id=wish.owner_id,
        title=title_of(wish.task),
        task=wish.task,
        state=State.STARTING,
        model=model,
        sandbox_id=new_id("sbx"),
        repository=repository,
        project_id=wish.project_id,
        git_user_name=wish.git_user_name,
        git_user_email=wish.git_user_email,
        policy=wish.policy,
        network=wish.network,
        environment=environment,
        model_key_sealed=ports.sealer.seal(wish.owner_id, wish.model_api_key) if wish.model_api_key else "",
    )
    request_id = wish.request_id or new_ulid()
    stored = await ports.store.create(record, request_id, _first_events(record, request_id, bool(wish.model)))
    ports.signals.wanted()
    return stored


def _first_events(record: SessionRecord, request_id: str, chosen: bool) -> Change:
    message = UserMessage(client_message_id=request_id, text=record.task, delivery=UserMessage.DELIVERY_TURN)
    selected = ModelSelected(
        model=record.model,
        provider=record.model.split("/", 1)[0],
        reason=ModelSelected.REASON_USER if chosen else ModelSelected.REASON_POLICY,
    )
    queued = StatusChanged(phase=StatusChanged.PHASE_QUEUED, detail_code="mock" if record.model == "demo" else "")
    return Change(
        drafts=(
            Draft(Event(source=SOURCE_USER, user_message=message), f"message:{request_id}"),
            Draft(Event(source=SOURCE_SYSTEM, model_selected=selected)),
            Draft(Event(source=SOURCE_SYSTEM, status_changed=queued)),
        ),
        wanted=True,
    )


async def check_image(ports: Ports, image: str) -> None:
    """One that the operator does not allow is refused here: nothing has been made yet. Where sandboxes have no images
    the agent says so."""
    if not image:
        return
    try:
        allowed = await ports.workspace.images()
    except ConnectionError as error:
        raise SandboxAway from error
    except ToolFailure:  # nothing confines a sandbox here: the session's own card tells what to do
        return
    if allowed and not is_allowed(image, allowed):
        raise ImageNotAllowed(f"The image {image} is not on the operator's list: {', '.join(allowed)}.")


async def _environment(ports: Ports, wish: NewSession, repository: Repository | None) -> Environment:
    """What the session leaves open is as its owner has set it for the repository."""
    if repository is None:
        return wish.environment
    found = joined(wish.environment, await ports.store.environment(wish.owner_id, repository))
    if found.image != wish.environment.image:
        await check_image(ports, found.image)  # the operator may have changed the list since
    return found


async def resolved(ports: Ports, owner_id: str, wish: Repository) -> Repository:
    """A repository that is none, or that the caller cannot read, is refused here: nothing has been made yet."""
    if not (wish.provider and wish.full_name) and not wish.url:
        raise InvalidRepository("Name a provider with owner/name, or give the repository's address.")
    return await ports.forge.resolve(owner_id, wish)
