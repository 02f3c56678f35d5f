"""Every RPC of sessions through a real channel: its answer, its repeat, its refusals."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import ApprovalRequested, QueueChanged, StatusChanged, TurnCompleted, UserMessage

from services.rpc.channels import unary
from services.rpc.errors import Code
from services.rpc.identity import service_metadata
from services.rpc.status import RemoteError
from services.sessions.agent.asking import ask
from services.sessions.agent.journal import Journal
from services.sessions.agent.turns import begin_turn, end_turn
from services.sessions.client import SessionsClient
from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Request, State
from services.sessions.domain.work import Outcome
from tests.service.sessions.conftest import KEY, Ground


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


async def create(client: SessionsClient, task: str = "Mend it\nplease", **fields: Any) -> pb.Session:
    return (await client.create_session(pb.CreateSessionRequest(task=task, **fields))).session


async def owned(ground: Ground) -> Journal:
    (record,) = await ground.store.claim("w1", 1)
    journal = Journal(ground.ports, record)
    await journal.load()
    return journal


async def refused(call: Any) -> RemoteError:
    with pytest.raises(RemoteError) as failed:
        await call
    return failed.value


async def test_create_session_is_there_before_it_is_answered(ground: Ground, client: SessionsClient) -> None:
    session = await create(client, "  # Mend it\nplease", project_id="p", request_id="r1")
    assert (session.title, session.model, session.project_id) == ("Mend it", "demo", "p")
    assert session.session_id.startswith("ses_")
    assert session.sandbox_id.startswith("sbx_")
    again = await create(client, "another", request_id="r1")
    assert again.session_id == session.session_id
    other = SessionsClient(ground.channel, ground.me("u2"))
    assert (await create(other, "another", request_id="r1")).session_id != session.session_id


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"task": ""}, "INVALID_REQUEST"),
        ({"task": " \n"}, "INVALID_REQUEST"),
        ({"task": "a\0b"}, "INVALID_REQUEST"),
        ({"project_id": "a\0b"}, "INVALID_REQUEST"),
        ({"task": "x" * 200_001}, "INVALID_REQUEST"),
        ({"model": "nobody/none"}, "UNKNOWN_MODEL"),
        ({"repository": pb.Repository()}, "INVALID_REPOSITORY"),
        ({"repository": pb.Repository(provider="svn", full_name="a/b")}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(image="strange:1")}, "IMAGE_NOT_ALLOWED"),
        ({"environment": pb.Environment(image="-v /:/host")}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(setup="a\0b")}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(setup="x" * 32_769)}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(setup_seconds=3601)}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={"PATH": "/x"})}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={"A B": "x"})}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={"A": "x\0"})}, "INVALID_REQUEST"),
        ({"environment": pb.Environment(env={f"A{n}": "x" for n in range(101)})}, "INVALID_REQUEST"),
    ],
)
async def test_create_session_refuses_and_stores_nothing(
    client: SessionsClient, fields: dict[str, Any], reason: str
) -> None:
    assert (await refused(create(client, **{"task": "t", **fields}))).reason == reason
    assert not (await client.list_sessions(pb.ListSessionsRequest())).sessions


async def test_create_session_keeps_the_environment_and_shows_it_to_nobody(
    ground: Ground, client: SessionsClient
) -> None:
    wish = pb.Environment(image="golang:1.27", setup="  make deps\n", setup_seconds=90, env={"A": "hidden-value"})
    session = await create(client, environment=wish)
    stored = (await ground.store.get(session.session_id)).environment
    assert stored == Environment("golang:1.27", "make deps", 90, {"A": "hidden-value"})
    assert "hidden-value" not in str(session)
    plain = await create(client)
    assert (await ground.store.get(plain.session_id)).environment == Environment()


async def test_list_sessions_by_pages_newest_change_first(ground: Ground, client: SessionsClient) -> None:
    made = [(await create(client, f"task {number}")).session_id for number in range(5)]
    await client.send_message(pb.SendMessageRequest(session_id=made[0], text="again"))
    seen, token = [], ""
    while True:
        page = await client.list_sessions(pb.ListSessionsRequest(page_size=2, page_token=token))
        seen += [session.session_id for session in page.sessions]
        token = page.next_page_token
        if not token:
            break
    assert seen == [made[0], *reversed(made[1:])]
    found = await client.list_sessions(pb.ListSessionsRequest(query="TASK 3"))
    assert [session.session_id for session in found.sessions] == [made[3]]
    stranger = SessionsClient(ground.channel, ground.me("u2"))
    assert not (await stranger.list_sessions(pb.ListSessionsRequest())).sessions
    assert (await refused(client.list_sessions(pb.ListSessionsRequest(page_token="no")))).reason == "INVALID_REQUEST"
    assert (await refused(client.list_sessions(pb.ListSessionsRequest(page_size=-1)))).reason == "INVALID_REQUEST"


async def test_rename_session(client: SessionsClient) -> None:
    session = await create(client)
    request = pb.RenameSessionRequest(session_id=session.session_id, title="Better")
    assert (await client.rename_session(request)).session.title == "Better"
    head = (await client.rename_session(request)).session.last_seq
    assert head == session.last_seq + 1
    blank = pb.RenameSessionRequest(session_id=session.session_id)
    assert (await refused(client.rename_session(blank))).reason == "INVALID_REQUEST"
    broken = pb.RenameSessionRequest(session_id=session.session_id, title="a\0b")
    assert (await refused(client.rename_session(broken))).reason == "INVALID_REQUEST"
    assert (await refused(client.list_sessions(pb.ListSessionsRequest(query="\0")))).reason == "INVALID_REQUEST"


async def test_delete_session_removes_all_of_it(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    await client.delete_session(pb.DeleteSessionRequest(session_id=session.session_id))
    assert await ground.store.read(session.session_id, 0, 2**31, 10) == []
    for call in (
        client.get_session(pb.GetSessionRequest(session_id=session.session_id)),
        client.send_message(pb.SendMessageRequest(session_id=session.session_id, text="to nobody")),
        client.delete_session(pb.DeleteSessionRequest(session_id=session.session_id)),
    ):
        assert (await refused(call)).reason == "SESSION_NOT_FOUND"


async def test_every_rpc_on_somebody_elses_session_looks_absent(ground: Ground, client: SessionsClient) -> None:
    mine = (await create(client)).session_id
    stranger = SessionsClient(ground.channel, ground.me("u2"))
    for session_id in (mine, "ses_absent", "ses_\0"):
        for call in (
            stranger.get_session(pb.GetSessionRequest(session_id=session_id)),
            stranger.rename_session(pb.RenameSessionRequest(session_id=session_id, title="x")),
            stranger.delete_session(pb.DeleteSessionRequest(session_id=session_id)),
            stranger.send_message(pb.SendMessageRequest(session_id=session_id, text="x")),
            stranger.stop_session(pb.StopSessionRequest(session_id=session_id)),
            stranger.pause_session(pb.PauseSessionRequest(session_id=session_id)),
            stranger.resume_session(pb.ResumeSessionRequest(session_id=session_id)),
            stranger.update_queued_message(pb.UpdateQueuedMessageRequest(session_id=session_id, queue_item_id="q")),
            stranger.move_queued_message(pb.MoveQueuedMessageRequest(session_id=session_id, queue_item_id="q")),
            stranger.cancel_queued_message(pb.CancelQueuedMessageRequest(session_id=session_id, queue_item_id="q")),
            stranger.configure_session(pb.ConfigureSessionRequest(session_id=session_id)),
            stranger.resolve_approval(pb.ResolveApprovalRequest(session_id=session_id, request_id="q")),
            stranger.list_events(pb.ListEventsRequest(session_id=session_id)),
        ):
            error = await refused(call)
            assert (error.code, error.reason) == (Code.NOT_FOUND, "SESSION_NOT_FOUND")
    assert (await client.get_session(pb.GetSessionRequest(session_id=mine))).session.last_seq == 3


async def test_send_message_waits_while_a_turn_runs(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)

    async def send(number: int) -> pb.SendMessageResponse:
        request = pb.SendMessageRequest(
            session_id=session.session_id, text=f"m{number}", client_message_id=f"c{number}"
        )
        return await client.send_message(request)

    first, second, again = await send(1), await send(2), await send(1)
    assert first.queued
    assert second.queued
    assert again == first
    await journal.load()
    assert journal.state.queue_texts == {"c1": "m1", "c2": "m2"}
    assert journal.state.waiting.order() == ["c1", "c2"]
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert await begin_turn(journal)
    await journal.load()
    assert journal.state.queue_texts == {"c2": "m2"}
    events = (await client.list_events(pb.ListEventsRequest(session_id=session.session_id))).events
    taken = [
        event.queue_changed.queue_item_id for event in events if event.queue_changed.change == QueueChanged.CHANGE_TAKEN
    ]
    assert taken == ["c1"]
    message = next(event.user_message for event in events if event.user_message.client_message_id == "c1")
    assert (message.text, message.delivery) == ("m1", UserMessage.DELIVERY_QUEUED)


async def test_begin_turn_lets_go_and_a_message_calls_back(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)
    await end_turn(journal, Outcome.COMPLETED, 1.0)
    assert not await begin_turn(journal)
    assert await ground.store.claim("w2", 5) == []
    await client.send_message(pb.SendMessageRequest(session_id=session.session_id, text="go on"))
    (record,) = await ground.store.claim("w2", 5)
    assert record.lease_epoch == journal.lease.epoch + 1


async def test_stop_session_is_durable_and_repeatable(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    stop = pb.StopSessionRequest(session_id=session.session_id)
    journal = await owned(ground)
    assert await begin_turn(journal)
    assert (await client.stop_session(stop)).stopping
    assert (await client.stop_session(stop)).stopping
    assert await ground.store.renew("w1", [session.session_id]) == {session.session_id: Request.STOP}
    await journal.load()
    assert journal.state.stopping
    await end_turn(journal, Outcome.INTERRUPTED, 1.0)
    record = await ground.store.get(session.session_id)
    assert (record.state, record.turn_open, record.stop_requested) == (State.STOPPED, False, False)
    assert not (await client.stop_session(stop)).stopping
    events = (await client.list_events(pb.ListEventsRequest(session_id=session.session_id))).events
    phases = [event.status_changed.phase for event in events if event.HasField("status_changed")]
    assert phases.count(StatusChanged.PHASE_STOPPING) == 1
    ends = [event.turn_completed.outcome for event in events if event.HasField("turn_completed")]
    assert ends == [TurnCompleted.OUTCOME_INTERRUPTED]


async def test_resolve_approval_first_decision_stands(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    journal = await owned(ground)
    assert await begin_turn(journal)
    asked = ApprovalRequested(request_id="q1", kind=ApprovalRequested.KIND_QUESTION, title="Which?")
    await ask(journal, asked)
    await end_turn(journal, Outcome.WAITING, 1.0)
    assert (await ground.store.get(session.session_id)).state is State.WAITING

    async def answer(text: str, request_id: str = "q1") -> None:
        request = pb.ResolveApprovalRequest(session_id=session.session_id, request_id=request_id, text=text)
        await client.resolve_approval(request)

    await answer("this")
    await answer("this")
    assert (await refused(answer("that"))).reason == "APPROVAL_RESOLVED"
    assert (await refused(answer("this", "q2"))).reason == "APPROVAL_NOT_FOUND"
    (record,) = await ground.store.claim("w3", 5)
    assert record.session_id == session.session_id


async def test_list_events_by_one_coordinate(ground: Ground, client: SessionsClient) -> None:
    session = await create(client)
    for number in range(20):
        await client.send_message(pb.SendMessageRequest(session_id=session.session_id, text=f"m{number}"))

    async def seqs(**bounds: int) -> list[int]:
        page = await client.list_events(pb.ListEventsRequest(session_id=session.session_id, **bounds))
        assert page.last_seq == 23
        return [event.seq for event in page.events]

    assert await seqs() == list(range(1, 24))
    assert await seqs(after_seq=20) == [21, 22, 23]
    assert await seqs(before_seq=21, page_size=3) == [18, 19, 20]
    assert await seqs(before_seq=3, page_size=10) == [1, 2]
    assert await seqs(after_seq=99) == []
    assert await seqs(page_size=2) == [1, 2]


async def test_list_models(client: SessionsClient) -> None:
    (model,) = (await client.list_models(pb.ListModelsRequest())).models
    assert (model.model, model.is_demo) == ("demo", True)


async def test_get_status_is_for_services_only(ground: Ground, client: SessionsClient) -> None:
    assert (await refused(client.get_status(pb.GetStatusRequest()))).reason == "INTERNAL_ONLY"
    service = SessionsClient(ground.channel, service_metadata(KEY, "gateway"))
    assert (await service.get_status(pb.GetStatusRequest())).active_sessions == 0
    await create(client)
    assert await begin_turn(await owned(ground))
    assert (await service.get_status(pb.GetStatusRequest())).active_sessions == 1


async def test_an_unknown_method_and_nobody(ground: Ground) -> None:
    nobody = SessionsClient(ground.channel)
    error = await refused(nobody.list_models(pb.ListModelsRequest()))
    assert error.code is Code.UNAUTHENTICATED
    raw: Any = ground.channel.unary_unary("/lucid.sessions.v1.SessionsService/Nothing")
    assert (await refused(unary(lambda: raw(b"", metadata=ground.me())))).code is Code.UNIMPLEMENTED
