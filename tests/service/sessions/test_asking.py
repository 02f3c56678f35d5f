"""Questions wait without a worker, lapse by the database's clock, and are decided once; on SQLite and on Postgres."""

from dataclasses import replace
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import ApprovalRequested, Event, StatusChanged, TurnCompleted

from services.sessions.agent.asking import ask
from services.sessions.agent.turns import begin_turn, end_turn
from services.sessions.client import SessionsClient
from services.sessions.domain.models import Budget, Confirmation, NewSession, Policy, State
from services.sessions.domain.work import Outcome
from services.sessions.ports import Limits
from services.sessions.usecases.configure_session import configure_session
from services.sessions.usecases.create_session import create_session
from services.sessions.usecases.resolve_approval import resolve_approval
from services.sessions.usecases.stop_session import stop_session
from tests.fakes.scripted_model import said
from tests.service.sessions.conftest import Ground
from tests.service.sessions.test_faults import ME, at_work, kinds
from tests.service.sessions.test_rpcs import create, owned, refused

ASK = ("ask_user", {"question": "Tabs or spaces?", "options": ["Tabs", "Spaces"]})
Option = ApprovalRequested.Option


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


@pytest.mark.parametrize(
    ("request_id", "option", "text", "reason"),
    [
        ("q1", "maybe", "", "UNKNOWN_OPTION"),
        ("q1", "", "", "UNKNOWN_OPTION"),
        ("q1", "", "free words", "UNKNOWN_OPTION"),
        ("q1", "no", " \n", "TEXT_NEEDED"),
        ("q2", "yes", "", "APPROVAL_NOT_FOUND"),
        ("q\0", "yes", "", "INVALID_REQUEST"),
    ],
)
async def test_resolve_approval_refuses_what_is_no_answer(
    ground: Ground, client: SessionsClient, request_id: str, option: str, text: str, reason: str
) -> None:
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)
    options = [Option(id="yes", label="Yes"), Option(id="no", label="No", needs_text=True)]
    await ask(journal, ApprovalRequested(request_id="q1", kind=ApprovalRequested.KIND_COMMAND, options=options))
    await end_turn(journal, Outcome.WAITING, 1.0)
    head = (await ground.store.get(session.session_id)).seq

    async def answer(*, request_id: str, option_id: str, text: str) -> None:
        await client.resolve_approval(
            pb.ResolveApprovalRequest(
                session_id=session.session_id, request_id=request_id, option_id=option_id, text=text
            )
        )

    assert (await refused(answer(request_id=request_id, option_id=option, text=text))).reason == reason
    row = await ground.store.get(session.session_id)
    assert (row.seq, row.state) == (head, State.WAITING)
    await answer(request_id="q1", option_id="no", text="because")
    await answer(request_id="q1", option_id="no", text="because")
    error = await refused(answer(request_id="q1", option_id="yes", text=""))
    assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", "APPROVAL_RESOLVED")


async def test_resolve_approval_reads_no_log(
    ground: Ground, client: SessionsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs the same however long the session is."""
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)
    await ask(journal, ApprovalRequested(request_id="q1", kind=ApprovalRequested.KIND_QUESTION))

    async def refuse(*_: object) -> Any:
        raise AssertionError("the log was read")

    monkeypatch.setattr(ground.store, "read", refuse)
    await client.resolve_approval(
        pb.ResolveApprovalRequest(session_id=session.session_id, request_id="q1", text="the second")
    )


async def test_a_question_lapses_when_nobody_answers_and_the_agent_decides(database_url: str) -> None:
    limits = Limits(question_timeout=0.4)
    async with at_work(database_url, [said("I ask.", ASK), said("Spaces.")], limits=limits) as ground:
        session = await ground.create()
        events = await ground.until(session, lambda events: "approval_requested" in kinds(events))
        asked = next(event for event in events if event.HasField("approval_requested"))
        waited = asked.approval_requested.expires.ToNanoseconds() - asked.time.ToNanoseconds()
        assert abs(waited - 0.4e9) < 2e3
        events = await ground.ended(session)
        resolved = next(event for event in events if event.HasField("approval_resolved"))
        assert resolved.approval_resolved.expired
        assert resolved.time.ToNanoseconds() >= asked.approval_requested.expires.ToNanoseconds()
        told = next(event.tool_call_completed for event in events if event.HasField("tool_call_completed"))
        assert "Decide yourself" in told.result_text
        phases = [event.status_changed.phase for event in events if event.HasField("status_changed")]
        assert StatusChanged.PHASE_WAITING_USER in phases
        row = await ground.store.get(session)
        assert (row.state, row.wake_at, row.lease_epoch) == (State.IDLE, 0.0, 2)


async def test_nobody_holds_a_session_that_waits_and_it_wakes_only_when_due(
    ground: Ground, client: SessionsClient
) -> None:
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)
    await ask(journal, ApprovalRequested(request_id="q1", kind=ApprovalRequested.KIND_QUESTION), 3600)
    await ask(journal, ApprovalRequested(request_id="q2", kind=ApprovalRequested.KIND_QUESTION), 0.3)
    await end_turn(journal, Outcome.WAITING, 1.0)
    row = await ground.store.get(session.session_id)
    assert row.wake_at == pytest.approx(
        journal.state.asked["q2"].approval_requested.expires.ToMicroseconds() / 1e6, abs=1e-5
    )
    assert await ground.store.claim("w2", 5) == []
    woken: list[Any] = []
    while not woken:
        woken = await ground.store.claim("w2", 5)
    assert woken[0].lease_epoch == journal.lease.epoch + 1
    assert await ground.store.claim("w3", 5) == []


async def test_a_stop_ends_a_wait_and_no_card_stays(database_url: str) -> None:
    async with at_work(database_url, [said("I ask.", ASK)]) as ground:
        session = await ground.create()
        await ground.until(session, lambda events: events[-1].status_changed.phase == StatusChanged.PHASE_WAITING_USER)
        assert await stop_session(ground.ports, ME, session)
        events = await ground.ended(session)
        assert [event.approval_resolved.expired for event in events if event.HasField("approval_resolved")] == [True]
        assert [event.turn_completed.outcome for event in events if event.HasField("turn_completed")] == [
            TurnCompleted.OUTCOME_INTERRUPTED
        ]
        with pytest.raises(Exception, match="answered before"):
            await ground.answer(session, "late")


async def test_a_message_answers_the_question_and_closes_its_card(database_url: str) -> None:
    async with at_work(database_url, [said("I ask.", ASK), said("Fine.")]) as ground:
        session = await ground.create()
        await ground.until(session, lambda events: events[-1].status_changed.phase == StatusChanged.PHASE_WAITING_USER)
        await ground.say(session, "spaces")
        events = await ground.ended(session)
        resolved = [event.approval_resolved for event in events if event.HasField("approval_resolved")]
        assert [(one.text, one.by, one.expired) for one in resolved] == [("spaces", ME, False)]


LS = ("run_command", {"command": "ls"})


def waits_for_approval(events: list[Event]) -> bool:
    return events[-1].status_changed.phase == StatusChanged.PHASE_WAITING_APPROVAL


@pytest.mark.parametrize(
    ("budget", "ends"),
    [(Budget(steps=2), TurnCompleted.OUTCOME_LIMIT), (Budget(cost_micros=14), TurnCompleted.OUTCOME_BUDGET)],
    ids=["steps", "money"],
)
async def test_a_budget_waits_without_a_worker_goes_on_and_ends(
    database_url: str, budget: Budget, ends: TurnCompleted.Outcome.ValueType
) -> None:
    async with at_work(database_url, [said("", LS)]) as ground:
        session = (await create_session(ground.ports, NewSession(ME, "mend", policy=Policy(budget=budget)))).session_id
        for number, option in ((1, "go_on"), (2, "stop")):
            events = await ground.until(session, waits_for_approval)
            row = await ground.store.get(session)
            assert (row.state, row.wake_at) == (State.WAITING, 0.0)
            assert kinds(events).count("usage") == 2 * number
            asked = [event.approval_requested for event in events if event.HasField("approval_requested")]
            assert len(asked) == number
            await resolve_approval(ground.ports, ME, session, asked[-1].request_id, option, "")
        events = await ground.ended(session)
        (completed,) = [event.turn_completed for event in events if event.HasField("turn_completed")]
        assert completed.outcome == ends
        assert "Ended at the limit" in completed.summary
        assert kinds(events).count("turn_started") == 1
        assert (await ground.store.get(session)).state is State.IDLE


async def test_a_raised_budget_lets_a_session_that_waits_go_on(database_url: str) -> None:
    async with at_work(database_url, [said("", LS), said("", LS), said("Done.")]) as ground:
        policy = Policy(budget=Budget(steps=1))
        session = (await create_session(ground.ports, NewSession(ME, "mend", policy=policy))).session_id
        await ground.until(session, waits_for_approval)
        await configure_session(ground.ports, ME, session, lambda policy: replace(policy, budget=Budget(steps=9)))
        events = await ground.ended(session)
        assert [event.approval_resolved.expired for event in events if event.HasField("approval_resolved")] == [True]


async def test_a_command_that_waits_to_be_allowed_runs_once(database_url: str) -> None:
    script = [said("", ("run_command", {"command": "git push"})), said("Done.")]
    async with at_work(database_url, script) as ground:
        policy = Policy(Confirmation.RISKY)
        session = (await create_session(ground.ports, NewSession(ME, "mend", policy=policy))).session_id
        events = await ground.until(session, waits_for_approval)
        asked = next(event.approval_requested for event in events if event.HasField("approval_requested"))
        assert asked.kind == ApprovalRequested.KIND_PUSH
        assert not ground.place.starts
        for _ in range(2):
            await resolve_approval(ground.ports, ME, session, asked.request_id, "yes", "")
        await ground.ended(session)
        assert len(ground.place.starts) == 1
