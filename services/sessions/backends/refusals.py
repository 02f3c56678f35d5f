"""What another service's refusal means to the agent."""

import contextlib
from collections.abc import Iterator

from services.rpc.errors import Code, LucidError
from services.rpc.status import RemoteError
from services.sessions.domain.errors import Fenced
from services.sessions.domain.work import ToolFailure

_OUT_OF_REACH = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.UNKNOWN, Code.CANCELLED, Code.INTERNAL})


@contextlib.contextmanager
def in_our_words() -> Iterator[None]:
    """RemoteError becomes Fenced, ConnectionError (may pass) or ToolFailure (an answer)."""
    try:
        yield
    except RemoteError as error:
        raise translated(error) from error


def translated(error: RemoteError) -> Exception:
    """See in_our_words. A provider that is down is an answer too: it has words for people."""
    if error.reason == Fenced.reason:
        return Fenced()
    if error.code in _OUT_OF_REACH and error.reason in _plain_codes():
        return ConnectionError(error.message)
    return ToolFailure(error.reason, error.message)


def _plain_codes() -> frozenset[str]:
    """Reasons that are no reasons: the transport failed, or the other side had a fault."""
    return frozenset({code.name for code in _OUT_OF_REACH} | {LucidError.reason})
