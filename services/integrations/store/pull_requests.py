"""PullRequestStore in SQL: the local provider's pull requests."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.integrations.domain.errors import PullRequestExists
from services.integrations.domain.models import LOCAL, Proposal, PullRequest, PullRequestState
from services.integrations.ports import PullRequestRecord
from services.integrations.store.connections import as_utc
from services.integrations.store.tables import pull_requests as table
from services.storage.database import Database

OPEN = PullRequestState.OPEN.value
NUMBERING_ATTEMPTS = 5


class SqlPullRequestStore:
    """Numbered per repository, from 1."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, repo: str, proposal: Proposal, url_of: str) -> PullRequest:
        """Numbers and keeps it; `url_of` holds `{number}`. Raises PullRequestExists."""
        for _ in range(NUMBERING_ATTEMPTS):
            if await self.find_open(repo, proposal.head, proposal.base) is not None:
                raise PullRequestExists
            try:
                return await self._insert(repo, proposal, url_of)
            except IntegrityError:  # somebody took the number, or opened the same
                continue
        raise PullRequestExists

    async def _insert(self, repo: str, proposal: Proposal, url_of: str) -> PullRequest:
        async with self._database.begin() as database:
            query = select(func.coalesce(func.max(table.c.number), 0)).where(table.c.repo == repo)
            number = (await database.execute(query)).scalar_one() + 1
            url = url_of.replace("{number}", str(number))
            values = {"repo": repo, "number": number, "url": url, "state": OPEN, "create_time": datetime.now(UTC)}
            await database.execute(insert(table).values(**values, **_values(proposal)))
            row = (await database.execute(_one(repo, number))).one()
        return _record(row).pull_request

    async def find(self, repo: str, number: int) -> PullRequestRecord | None:
        """One of them."""
        async with self._database.connect() as database:
            row = (await database.execute(_one(repo, number))).one_or_none()
        return None if row is None else _record(row)

    async def find_open(self, repo: str, head: str, base: str) -> PullRequest | None:
        """The open one of that head; `base` empty = any."""
        query = select(table).where(table.c.repo == repo, table.c.head == head, table.c.state == OPEN)
        if base:
            query = query.where(table.c.base == base)
        async with self._database.connect() as database:
            row = (await database.execute(query.order_by(table.c.number).limit(1))).one_or_none()
        return None if row is None else _record(row).pull_request

    async def plan_merge(self, repo: str, number: int, record: PullRequestRecord) -> None:
        """Writes down which commits the merge is about to join."""
        await self._update(
            repo,
            number,
            head_commit=record.head_commit,
            base_commit=record.base_commit,
            merge_commit=record.merge_commit,
        )

    async def mark_merged(self, repo: str, number: int) -> None:
        """It is merged."""
        await self._update(repo, number, state=PullRequestState.MERGED.value)

    async def _update(self, repo: str, number: int, **values: str) -> None:
        where = (table.c.repo == repo, table.c.number == number, table.c.state == OPEN)
        async with self._database.begin() as database:
            await database.execute(update(table).where(*where).values(**values))


def _one(repo: str, number: int) -> Any:
    return select(table).where(table.c.repo == repo, table.c.number == number)


def _values(proposal: Proposal) -> dict[str, Any]:
    return {
        "title": proposal.title,
        "body": proposal.body,
        "head": proposal.head,
        "base": proposal.base,
        "draft": proposal.draft,
    }


def _record(row: Row[Any]) -> PullRequestRecord:
    pull_request = PullRequest(
        provider=LOCAL,
        repo=row.repo,
        number=row.number,
        url=row.url,
        title=row.title,
        body=row.body,
        head=row.head,
        base=row.base,
        draft=row.draft,
        state=PullRequestState(row.state),
        create_time=as_utc(row.create_time),
    )
    return PullRequestRecord(pull_request, row.head_commit, row.base_commit, row.merge_commit)
