"""Rows <-> domain."""

from collections.abc import Mapping
from typing import Any

from lucid.sessions.v1.event_pb2 import PullRequestChanged

from services.sessions.domain.models import Change, Repository, SessionRecord, State


def to_record(row: Mapping[str, Any]) -> SessionRecord:
    """The session of a row."""
    repository = None
    if row["provider"] is not None:
        repository = Repository(row["provider"], row["repo_full_name"], row["repo_url"], row["base_branch"])
    pull_request = PullRequestChanged.FromString(row["pull_request"]) if row["pull_request"] else None
    same = {name: row[name] for name in _SAME}
    return SessionRecord(state=State(row["state"]), repository=repository, pull_request=pull_request, **same)


def new_row(record: SessionRecord, request_id: str) -> dict[str, Any]:
    """The row of a session that is not stored yet; the times are filled in by the transaction."""
    return {
        **{name: getattr(record, name) for name in _SAME},
        **_repository(record.repository),
        "state": record.state.value,
        "request_id": request_id,
        "pull_request": None,
        "last_hash": b"",
        "wanted": False,
        "lease_owner": "",
        "lease_until": 0.0,
    }


def change_row(row: dict[str, Any], change: Change) -> None:
    """Applies the columns of a change."""
    for name in ("title", "turn_open", "wanted", "stop_requested", "confinement"):
        value = getattr(change, name)
        if value is not None:
            row[name] = value
    if change.state is not None:
        row["state"] = change.state.value
    if change.pull_request is not None:
        row["pull_request"] = change.pull_request.SerializeToString()
    if change.repository is not None:
        row.update(_repository(change.repository))
    if change.release_lease:
        row.update(lease_owner="", lease_until=0.0)


def _repository(repository: Repository | None) -> dict[str, Any]:
    if repository is None:
        return {"provider": None, "repo_full_name": "", "repo_url": "", "base_branch": ""}
    return {
        "provider": repository.provider,
        "repo_full_name": repository.full_name,
        "repo_url": repository.url,
        "base_branch": repository.base_branch,
    }


_SAME = (
    "session_id",
    "owner_id",
    "title",
    "task",
    "model",
    "sandbox_id",
    "project_id",
    "confinement",
    "git_user_name",
    "git_user_email",
    "turn_open",
    "seq",
    "log_epoch",
    "lease_epoch",
    "stop_requested",
    "create_time",
    "update_time",
    "model_key_sealed",
)
