"""Which trees of files the log knows, and what it means where the sandbox does not have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import Event

from services.sessions.domain.errors import FilesGone, SandboxAway, StepNotFound
from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import ToolFailure
from services.sessions.ports import Ports

READ = 64
BASE = "checkpoint:base"


@dataclass(frozen=True)
class Span:
    """Two trees; `path`: the one file that is meant, empty = all. `commit`: what the session began from."""

    before: str
    after: str
    commit: str = ""
    paths: tuple[str, ...] = ()


async def span_of(ports: Ports, record: SessionRecord, seq: int) -> Span | None:
    """The trees of a step, or of the whole session for 0; None before anything was recorded. Raises StepNotFound."""
    base = await ports.store.find(record.session_id, BASE)
    commit = "" if base is None else base.checkpoint_created.commit
    if seq:
        edited = (await _event(ports, record, seq)).file_edited
        if not edited.tree_after:
            raise StepNotFound
        names = tuple(name for name in (edited.path, edited.old_path) if name)
        return Span(edited.tree_before, edited.tree_after, commit, names)
    if base is None:
        return None
    return Span(base.checkpoint_created.tree, await tree_at(ports, record, record.seq), commit)


async def tree_at(ports: Ports, record: SessionRecord, seq: int) -> str:
    """The files as they were when an event was stored, the whole step that it belongs to included. Raises
    StepNotFound."""
    upto = min(seq, record.seq)
    if seq > record.seq:
        raise StepNotFound
    while upto > 0:
        rows = await ports.store.read(record.session_id, max(0, upto - READ), upto, READ)
        for _, data in reversed(rows):
            event = Event.FromString(data)
            tree = event.file_edited.tree_after or event.checkpoint_created.tree
            if tree:
                return tree
        upto -= READ
    raise StepNotFound


async def _event(ports: Ports, record: SessionRecord, seq: int) -> Event:
    rows = await ports.store.read(record.session_id, seq - 1, seq, 1)
    if not rows:
        raise StepNotFound
    return Event.FromString(rows[0][1])


def workdir(record: SessionRecord) -> str:
    """The repository's folder in the workspace; empty where there is none."""
    repository = record.repository
    return "" if repository is None else repository.full_name.rsplit("/", 1)[-1]


@contextmanager
def from_sandbox() -> Iterator[None]:
    """What the sandbox refuses, in our words. Raises FilesGone, SandboxAway."""
    try:
        yield
    except ToolFailure as failure:
        raise FilesGone(failure.message) from failure
    except ConnectionError as error:
        raise SandboxAway from error
