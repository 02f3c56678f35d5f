"""Outbox in SQL."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.integrations.domain.models import Act, PullRequest, PullRequestState
from services.integrations.store.tables import outbox as table
from services.storage.database import Database


class SqlOutbox:
    """Outward acts, written down before they are done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, act: Act) -> tuple[Act, bool]:
        """The act of that key, and whether it is new."""
        known = await self._find(act.key)
        if known is not None:
            return known, False
        values = {"key": act.key, "session_id": act.session_id, "act": act.kind, "target": act.target}
        try:
            async with self._database.begin() as database:
                await database.execute(insert(table).values(**values))
        except IntegrityError:  # the same call at the same moment
            known = await self._find(act.key)
            assert known is not None
            return known, False
        return act, True

    async def finish(self, key: str, answer: PullRequest, existed: bool) -> Act:
        """Stores the answer; the first one stands."""
        values = {"answer": _to_json(answer), "existed": existed}
        async with self._database.begin() as database:
            await database.execute(update(table).where(table.c.key == key, table.c.answer.is_(None)).values(**values))
        act = await self._find(key)
        assert act is not None
        return act

    async def _find(self, key: str) -> Act | None:
        async with self._database.connect() as database:
            row = (await database.execute(select(table).where(table.c.key == key))).one_or_none()
        return None if row is None else _act(row)


def _act(row: Row[Any]) -> Act:
    answer = None if row.answer is None else _from_json(row.answer)
    return Act(row.key, row.session_id, row.act, row.target, answer, row.existed)


def _to_json(answer: PullRequest) -> str:
    fields = asdict(answer) | {"state": answer.state.value, "create_time": answer.create_time.isoformat()}
    return json.dumps(fields)


def _from_json(text: str) -> PullRequest:
    fields = json.loads(text)
    fields["state"] = PullRequestState(fields["state"])
    fields["create_time"] = datetime.fromisoformat(fields["create_time"])
    return PullRequest(**fields)
