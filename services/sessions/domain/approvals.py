"""Questions and approvals: their keys in the log, and which answers they take."""

from lucid.sessions.v1.event_pb2 import ApprovalRequested

from services.sessions.domain.errors import TextNeeded, UnknownOption

# The options of an approval; a question of the agent has options of its own.
YES = "yes"
SESSION = "session"
NO = "no"


def asked_key(request_id: str) -> str:
    """The request's key: it is asked once."""
    return f"{request_id}:question"


def answer_key(request_id: str) -> str:
    """The decision's key: the first one stands."""
    return f"approval:{request_id}"


def check_answer(request: ApprovalRequested, option_id: str, text: str) -> None:
    """Raises UnknownOption, TextNeeded. A question takes free text; anything else takes only one of its options."""
    chosen = next((option for option in request.options if option.id == option_id), None)
    free = not option_id and (request.kind == ApprovalRequested.KIND_QUESTION or not request.options)
    if chosen is None and not free:
        raise UnknownOption(request_id=request.request_id, option_id=option_id)
    if chosen is not None and chosen.needs_text and not text.strip():
        raise TextNeeded(request_id=request.request_id, option_id=option_id)
