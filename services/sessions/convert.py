"""Domain <-> proto, pure functions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sessions.v1 import event_pb2
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.errors import InvalidRequest
from services.rpc.paging import decode_token, encode_token
from services.sessions.domain.environment import Environment, checked_setup, checked_variables
from services.sessions.domain.models import Confirmation, NewSession, Policy, Repository, SessionRecord
from services.sessions.domain.policy import from_budget, to_budget

_LABELS = {"demo": "Demo (plays a written plan, no model)"}


def to_session(record: SessionRecord) -> pb.Session:
    """The session as callers see it."""
    session = pb.Session(
        session_id=record.session_id,
        owner_id=record.owner_id,
        title=record.title,
        task=record.task,
        state=pb.Session.State.ValueType(record.state.value),
        model=record.model,
        sandbox_id=record.sandbox_id,
        confinement=record.confinement,
        last_seq=record.seq,
        epoch=record.log_epoch,
        create_time=_time(record.create_time),
        update_time=_time(record.update_time),
        pull_request=record.pull_request,
        project_id=record.project_id,
        confirmation=event_pb2.ConfirmationMode.ValueType(record.policy.confirmation.value),
        budget=to_budget(record.policy.budget),
        fallback_model=record.policy.fallback_model,
        network=event_pb2.NetworkMode.ValueType(record.network),
    )
    if record.repository is not None:
        session.repository.CopyFrom(_repository(record.repository))
    return session


def new_session(owner_id: str, request: pb.CreateSessionRequest) -> NewSession:
    """What a caller asks for. Raises InvalidRequest for a task of blanks only."""
    if not request.task.strip():
        raise InvalidRequest("task: must not be blank", field="task")
    for name in ("request_id", "task", "model", "project_id", "git_user_name", "git_user_email"):
        storable(name, getattr(request, name))
    repository = wanted_repository(request.repository) if request.HasField("repository") else None
    return NewSession(
        owner_id=owner_id,
        task=request.task,
        request_id=request.request_id,
        repository=repository,
        model=request.model,
        project_id=request.project_id,
        git_user_name=request.git_user_name,
        git_user_email=request.git_user_email,
        model_api_key=request.model_api_key,
        policy=Policy(
            Confirmation(request.confirmation),
            from_budget(request.budget),
            storable("fallback_model", request.fallback_model),
        ),
        network=request.network,
        environment=wanted_environment(request.environment),
    )


def wanted_repository(wish: pb.Repository) -> Repository:
    """As a caller names it. Raises InvalidRequest."""
    for name in ("full_name", "url", "base_branch"):
        storable(f"repository.{name}", getattr(wish, name))
    return Repository(wish.provider, wish.full_name, wish.url.strip(), wish.base_branch)


def to_environment(found: Environment) -> pb.Environment:
    """As callers see it: of the variables only the names."""
    names = dict.fromkeys(found.variables, "")
    return pb.Environment(image=found.image, setup=found.setup, setup_seconds=found.setup_seconds, env=names)


def wanted_environment(wish: pb.Environment) -> Environment:
    """What a caller wants the sandbox to be made with. Raises InvalidRequest."""
    try:
        setup, variables = checked_setup(wish.setup), checked_variables(wish.env)
    except ValueError as error:
        raise InvalidRequest(f"environment: {error}", field="environment") from error
    return Environment(wish.image, setup, wish.setup_seconds, variables)


def policy_change(request: pb.ConfigureSessionRequest) -> Callable[[Policy], Policy]:
    """What a caller asks to be different; what is not set stays as it is. Raises InvalidRequest."""
    wish: dict[str, Any] = {}
    if request.confirmation:
        wish["confirmation"] = Confirmation(request.confirmation)
    if request.HasField("budget"):
        wish["budget"] = from_budget(request.budget)
    if request.HasField("fallback_model"):
        wish["fallback_model"] = storable("fallback_model", request.fallback_model)
    return lambda policy: replace(policy, **wish)


def storable(field: str, text: str) -> str:
    """The text. Raises InvalidRequest for one with NUL, which no database column of text takes."""
    if "\0" in text:
        raise InvalidRequest(f"{field}: must not hold NUL", field=field)
    return text


def message_text(request: pb.SendMessageRequest) -> str:
    """The text. Raises InvalidRequest for one of blanks only."""
    if not request.text.strip():
        raise InvalidRequest("text: must not be blank", field="text")
    storable("client_message_id", request.client_message_id)
    return request.text


def queued_text(request: pb.UpdateQueuedMessageRequest) -> str:
    """The text, empty for one that stays. Raises InvalidRequest for one of blanks only."""
    if request.text and not request.text.strip():
        raise InvalidRequest("text: must not be blank", field="text")
    return request.text


def steers(delivery: event_pb2.UserMessage.Delivery.ValueType) -> bool | None:
    """Whether an entry of the queue shall steer; None where that stays. Raises InvalidRequest."""
    if delivery == event_pb2.UserMessage.DELIVERY_TURN:
        raise InvalidRequest("delivery: a message that waits is queued or steers", field="delivery")
    return None if not delivery else delivery == event_pb2.UserMessage.DELIVERY_STEER


def to_model(name: str) -> pb.Model:
    """A model to choose."""
    return pb.Model(model=name, label=_LABELS.get(name, name), is_demo=name == "demo")


def position_of(token: str) -> tuple[float, str] | None:
    """The place a page token stands for. Raises InvalidRequest."""
    position = decode_token(token)
    if not position:
        return None
    try:
        return float(position["t"]), str(position["s"])
    except (KeyError, ValueError) as error:
        raise InvalidRequest("page_token is not one of ours.", field="page_token") from error


def token_of(position: tuple[float, str] | None) -> str:
    """The page token of a place; empty at the end."""
    return "" if position is None else encode_token({"t": position[0], "s": position[1]})


def skip_of(token: str) -> int:
    """How many files came before the page that a token stands for. Raises InvalidRequest."""
    skip = decode_token(token).get("skip", 0)
    if not isinstance(skip, int) or skip < 0:
        raise InvalidRequest("page_token is not one of ours.", field="page_token")
    return skip


def skipping(count: int) -> str:
    """The page token that goes on after so many files; empty at the end."""
    return encode_token({"skip": count}) if count else ""


def _repository(repository: Repository) -> pb.Repository:
    return pb.Repository(
        provider=repository.provider,
        full_name=repository.full_name,
        url=repository.url,
        base_branch=repository.base_branch,
    )


def _time(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds), nanos=int((seconds % 1) * 1_000_000) * 1000)
