"""Rows <-> domain."""

import json
from collections.abc import Mapping
from typing import Any

from lucid.sessions.v1.event_pb2 import Event, PullRequestChanged

from services.sessions.domain.environment import NOTHING as NO_ENVIRONMENT
from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Budget, Change, Confirmation, Policy, Repository, SessionRecord, State
from services.sessions.domain.waiting import FOLLOWED, NOTHING, Asked, Queued, Waiting, followed


def to_record(row: Mapping[str, Any]) -> SessionRecord:
    """The session of a row."""
    repository = None
    if row["provider"] is not None:
        repository = Repository(row["provider"], row["repo_full_name"], row["repo_url"], row["base_branch"])
    pull_request = PullRequestChanged.FromString(row["pull_request"]) if row["pull_request"] else None
    same = {name: row[name] for name in _SAME} | {"now": row.get("now", 0.0)}
    return SessionRecord(
        state=State(row["state"]),
        repository=repository,
        pull_request=pull_request,
        policy=_to_policy(row),
        waiting=_to_waiting(row["waiting"]),
        environment=to_environment(row["environment"]),
        **same,
    )


def new_row(record: SessionRecord, request_id: str) -> dict[str, Any]:
    """The row of a session that is not stored yet; the times are filled in by the transaction."""
    return {
        **{name: getattr(record, name) for name in _SAME},
        **_repository(record.repository),
        **_policy(record.policy),
        "state": record.state.value,
        "request_id": request_id,
        "pull_request": None,
        "environment": from_environment(record.environment),
        "last_hash": b"",
        "waiting": "",
        "lease_owner": "",
        "lease_until": 0.0,
    }


def change_row(row: dict[str, Any], change: Change) -> None:
    """Applies the columns of a change."""
    for name in _CHANGED:
        value = getattr(change, name)
        if value is not None:
            row[name] = value
    if change.state is not None:
        row["state"] = change.state.value
    if change.pull_request is not None:
        row["pull_request"] = change.pull_request.SerializeToString()
    if change.repository is not None:
        row.update(_repository(change.repository))
    if change.policy is not None:
        row.update(_policy(change.policy))
    if change.release_lease:
        row.update(lease_owner="", lease_until=0.0)


def followed_row(row: dict[str, Any], event: Event) -> None:
    """Keeps what waits in step with the log."""
    if event.WhichOneof("payload") in FOLLOWED:
        row["waiting"] = _from_waiting(followed(_to_waiting(row["waiting"]), event))


def _to_waiting(stored: str) -> Waiting:
    if not stored:
        return NOTHING
    queue, asked = json.loads(stored)
    return Waiting(tuple(Queued(*entry) for entry in queue), tuple(Asked(*entry) for entry in asked))


def _from_waiting(waiting: Waiting) -> str:
    if waiting == NOTHING:
        return ""
    queue = [[entry.item_id, entry.steer, entry.text_seq] for entry in waiting.queue]
    return json.dumps([queue, [[asked.request_id, asked.about] for asked in waiting.asked]], separators=(",", ":"))


def _repository(repository: Repository | None) -> dict[str, Any]:
    if repository is None:
        return {"provider": None, "repo_full_name": "", "repo_url": "", "base_branch": ""}
    return {
        "provider": repository.provider,
        "repo_full_name": repository.full_name,
        "repo_url": repository.url,
        "base_branch": repository.base_branch,
    }


def to_environment(stored: str) -> Environment:
    """Empty: nothing."""
    return Environment(*json.loads(stored)) if stored else NO_ENVIRONMENT


def from_environment(wanted: Environment) -> str:
    """As JSON; empty for nothing."""
    if wanted == NO_ENVIRONMENT:
        return ""
    return json.dumps([wanted.image, wanted.setup, wanted.setup_seconds, dict(wanted.variables)])


def _to_policy(row: Mapping[str, Any]) -> Policy:
    budget = Budget(row["budget_cost_micros"], row["budget_steps"], row["budget_seconds"])
    return Policy(Confirmation(row["confirmation"]), budget, row["fallback_model"])


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "confirmation": policy.confirmation.value,
        "budget_cost_micros": policy.budget.cost_micros,
        "budget_steps": policy.budget.steps,
        "budget_seconds": policy.budget.seconds,
        "fallback_model": policy.fallback_model,
    }


_CHANGED = (
    "title",
    "title_by_user",
    "turn_open",
    "wanted",
    "stop_requested",
    "pause_requested",
    "wake_at",
    "confinement",
)
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
    "wanted",
    "stop_requested",
    "pause_requested",
    "title_by_user",
    "wake_at",
    "network",
    "create_time",
    "update_time",
    "model_key_sealed",
)
