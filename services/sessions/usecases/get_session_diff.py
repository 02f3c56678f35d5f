"""Tells what a session, or one step of it, has changed."""

from contextlib import aclosing
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import FileEdited

from services.sessions.domain.models import SessionRecord
from services.sessions.domain.work import DiffForm, Totals
from services.sessions.ports import Ports
from services.sessions.usecases.owned import owned
from services.sessions.usecases.trees import Span, from_sandbox, span_of, workdir

# A message of gRPC holds 4 MiB.
PAGE_BYTES = 3 * 1024 * 1024
NONE = Totals()


@dataclass(frozen=True)
class DiffPage:
    """Some of the files; `following`: how many came before the next page, 0 at the end."""

    span: Span
    files: tuple[FileEdited, ...] = ()
    totals: Totals = NONE
    following: int = 0


async def get_session_diff(
    ports: Ports, caller: str, session_id: str, seq: int, skip: int, limit: int, counts_only: bool
) -> DiffPage:
    """A page by path; the totals with the first one. Raises SessionNotFound, StepNotFound, FilesGone, SandboxAway."""
    record = await owned(ports, caller, session_id)
    span = await span_of(ports, record, seq)
    if span is None or span.before == span.after:
        return DiffPage(span or Span("", ""))
    with from_sandbox():
        totals = await _totals(ports, record, span) if not skip else Totals()
        files = await _files(ports, record, span, skip, limit + 1, counts_only)
    page = _fitting(files[:limit])
    return DiffPage(span, page, totals, skip + len(page) if len(page) < len(files) else 0)


async def _files(
    ports: Ports, record: SessionRecord, span: Span, skip: int, limit: int, counts_only: bool
) -> tuple[FileEdited, ...]:
    found: list[FileEdited] = []
    form = DiffForm.FILES if counts_only else DiffForm.DIFFS
    size = 0
    async with aclosing(ports.workspace.diff(record, workdir(record), span.before, span.after, (), form)) as parts:
        async for part in parts:
            if not isinstance(part, tuple):
                continue
            found += part[skip:]
            skip = max(0, skip - len(part))
            size += sum(len(file.unified_diff) for file in part)
            if len(found) >= limit or (size > PAGE_BYTES and len(found) > 1):
                break
    return tuple(found[:limit])


async def _totals(ports: Ports, record: SessionRecord, span: Span) -> Totals:
    totals = Totals()
    diff = ports.workspace.diff(record, workdir(record), span.before, span.after, (), DiffForm.FILES)
    async with aclosing(diff) as parts:
        async for part in parts:
            if isinstance(part, Totals):
                totals = part
    return totals


def _fitting(files: tuple[FileEdited, ...]) -> tuple[FileEdited, ...]:
    size = 0
    for place, file in enumerate(files):
        size += file.ByteSize()
        if place and size > PAGE_BYTES:
            return files[:place]
    return files
