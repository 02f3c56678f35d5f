"""What the gate makes of the upstream's answers: only the expected content type passes, a body of an error never."""

from services.integrations.domain.models import Gate
from services.integrations.gate.routes import INFO_REFS, RECEIVE_PACK, Refusal
from services.integrations.ports import GitCall, GitReply

TEXT = "text/plain; charset=utf-8"


def wants_push(call: GitCall) -> bool:
    """The request belongs to a push."""
    return RECEIVE_PACK in (call.endpoint, call.query.removeprefix("service="))


def answer_type(call: GitCall) -> str:
    """The content type that the answer must have."""
    if call.endpoint == INFO_REFS:
        return f"application/x-{call.query.removeprefix('service=')}-advertisement"
    return f"application/x-{call.endpoint}-result"


def check(gate: Gate, call: GitCall, reply: GitReply) -> None:
    """Raises Refusal unless the answer may be passed on."""
    if reply.status == 200:
        if reply.headers.get("content-type") != answer_type(call) or reply.headers.get("content-encoding"):
            raise Refusal(502, "The git provider's answer was not git's.")
        return
    repo = gate.repository.full_name
    if reply.status == 401:
        missing = "No account is connected" if not call.token else "The provider refused the stored token"
        raise Refusal(502, f"{missing} for {repo}. A person must connect the account again in the settings.")
    if reply.status == 403:
        verb = "push to" if wants_push(call) else "read"
        raise Refusal(403, f"The provider does not let the connected account {verb} {repo}.")
    if reply.status == 404:
        raise Refusal(404, f"{repo} was not found at the provider with the connected account.")
    if 300 <= reply.status < 400:
        raise Refusal(502, f"{repo} has moved at the provider; redirects are not followed.")
    raise Refusal(502, f"The git provider failed (HTTP {reply.status}). Try again later.")
