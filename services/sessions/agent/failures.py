"""What a person is told when the agent cannot go on."""

from lucid.sessions.v1.event_pb2 import Error

from services.rpc.errors import LucidError
from services.sessions.domain.conversation import FailureKind, ModelFailure

RETRYABLE = (FailureKind.RATE_LIMIT, FailureKind.OVERLOAD, FailureKind.TRANSIENT)


class TurnFailed(Exception):
    """The turn cannot go on."""


_MODEL = {
    FailureKind.AUTH: (Error.KIND_AUTH, "MODEL_KEY_REFUSED", Error.USER_ACTION_OPEN_SETTINGS),
    FailureKind.QUOTA: (Error.KIND_QUOTA, "MODEL_QUOTA_EXHAUSTED", Error.USER_ACTION_OPEN_SETTINGS),
    FailureKind.RATE_LIMIT: (Error.KIND_RATE_LIMIT, "MODEL_RATE_LIMITED", Error.USER_ACTION_RETRY),
    FailureKind.CONTEXT: (Error.KIND_LLM, "MODEL_CONTEXT_EXCEEDED", Error.USER_ACTION_NONE),
    FailureKind.CONFIG: (Error.KIND_CONFIG, "MODEL_REQUEST_REFUSED", Error.USER_ACTION_OPEN_SETTINGS),
    FailureKind.OVERLOAD: (Error.KIND_TRANSIENT, "MODEL_OVERLOADED", Error.USER_ACTION_RETRY),
    FailureKind.TRANSIENT: (Error.KIND_TRANSIENT, "MODEL_UNAVAILABLE", Error.USER_ACTION_RETRY),
}


def model_error(failure: ModelFailure, wait: float | None = None) -> Error:
    """The card of a failed model call; `wait`: seconds until Lucid tries again by itself."""
    kind, code, action = _MODEL[failure.kind]
    if failure.kind is FailureKind.TRANSIENT and failure.pieces_seen:
        code = "MODEL_STREAM_BROKEN"
    if wait is None:
        hint = int(failure.retry_after * 1000)
        return Error(kind=kind, code=code, message=failure.message, retry_after_ms=hint, user_action=action)
    return Error(
        kind=kind,
        code=code,
        message=failure.message,
        retryable=True,
        retry_after_ms=int(wait * 1000),
        user_action=Error.USER_ACTION_NONE,
    )


def model_refused(error: LucidError) -> Error:
    """The card of a model that cannot be used at all."""
    return Error(
        kind=Error.KIND_CONFIG,
        code=error.reason,
        message=error.message,
        user_action=Error.USER_ACTION_OPEN_SETTINGS,
    )


def key_unreadable() -> Error:
    """The card of a session whose own model key cannot be opened."""
    return Error(
        kind=Error.KIND_CONFIG,
        code="MODEL_KEY_UNREADABLE",
        message="This session's own model key cannot be read any more. Start a new session with the key.",
        user_action=Error.USER_ACTION_OPEN_SETTINGS,
    )


def empty_answers() -> Error:
    """The card of a model that answers with nothing."""
    return Error(
        kind=Error.KIND_LLM,
        code="MODEL_ANSWERED_NOTHING",
        message="The model has answered with nothing several times. Try again, or choose another model.",
        user_action=Error.USER_ACTION_RETRY,
    )


def unreachable(item_id: str, is_provider: bool) -> Error:
    """The card of a tool that could not reach its service: the git provider's, or the sandbox."""
    what = "The git provider" if is_provider else "The sandbox"
    return Error(
        kind=Error.KIND_PROVIDER if is_provider else Error.KIND_SANDBOX,
        code="PROVIDER_UNAVAILABLE" if is_provider else "SANDBOX_UNAVAILABLE",
        message=f"{what} could not be reached for a while, so the work was ended here. A message goes on with it.",
        user_action=Error.USER_ACTION_RETRY,
        about_item_id=item_id,
    )
