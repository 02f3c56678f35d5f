"""Small pieces of the contract's JSON that several rows share."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sessions.v1.sessions_pb2 import Session

from services.gateway.rest.refusals import Refused
from services.rpc.errors import LucidError

ALIVE = frozenset({Session.STATE_STARTING, Session.STATE_RUNNING, Session.STATE_WAITING, Session.STATE_IDLE})
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def iso(moment: Timestamp) -> str:
    """UTC, ISO 8601, to the millisecond."""
    return moment.ToDatetime().isoformat(timespec="milliseconds") + "Z"


def provider_of(model: str) -> str:
    """The part before the slash; `demo` is its own."""
    return model.partition("/")[0]


@contextmanager
def worded(texts: Mapping[str, tuple[int, str]]) -> Iterator[None]:
    """Refusals with one of these reasons get the row's own status and words."""
    try:
        yield
    except LucidError as error:
        if error.reason not in texts:
            raise
        status, text = texts[error.reason]
        raise Refused(status, text) from error


@contextmanager
def absent(session_id: str, text: str) -> Iterator[None]:
    """A session that is not there, or somebody else's, is refused in the row's words; so is an id that cannot be."""
    if not _ID.fullmatch(session_id):
        raise Refused(404, text)
    with worded({"SESSION_NOT_FOUND": (404, text)}):
        yield
