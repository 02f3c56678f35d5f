"""A session as a file."""

import httpx
import pytest
from lucid.sessions.v1 import event_pb2 as epb

from tests.service.gateway.conftest import Ground


async def test_export_is_a_file_to_save(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    for _ in range(3):
        ground.sessions.add(session.session_id, user_message=epb.UserMessage(text="m"))
    async with ground.client() as client:
        answer = await client.get(f"/api/v1/sessions/{session.session_id}/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == f'attachment; filename="{session.session_id}.jsonl"'
    assert answer.text == '{"seq":1}\n{"seq":2}\n{"seq":3}\n'


async def test_export_of_none_and_of_somebody_elses(ground: Ground) -> None:
    session = ground.sessions.put("usr_bob")
    async with ground.client() as client:
        answers = [await client.get(f"/api/v1/sessions/{name}/export") for name in ("ses_none", session.session_id)]
    assert [answer.status_code for answer in answers] == [404, 404]
    async with ground.client(None) as nobody:
        assert (await nobody.get(f"/api/v1/sessions/{session.session_id}/export")).status_code == 401


async def test_an_export_that_breaks_does_not_look_whole(ground: Ground) -> None:
    session = ground.sessions.put("usr_ann")
    ground.sessions.add(session.session_id)
    ground.sessions.add(session.session_id, labels={"breaks": "1"})
    async with ground.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"/api/v1/sessions/{session.session_id}/export")
