"""Refusals of other services in the words of our ports."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.rpc.errors import Code
from services.rpc.status import RemoteError
from services.sessions.domain.errors import Fenced
from services.sessions.domain.work import ToolFailure

_MAY_PASS = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


@contextmanager
def refusals(*answers: str) -> Iterator[None]:
    """RemoteError becomes Fenced, ConnectionError for what may pass, ToolFailure for an answer.

    `answers`: reasons that are told as they are although their code says that they may pass.
    """
    try:
        yield
    except RemoteError as error:
        if error.reason == "FENCED":
            raise Fenced from error
        if error.code in _MAY_PASS and error.reason not in answers:
            raise ConnectionError(f"{error.reason}: {error.message}") from error
        raise ToolFailure(error.reason, error.message) from error
