"""The exported file: whole, in memory that does not grow with the log, and every change of it is found."""

import asyncio
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from lucid.sessions.v1 import sessions_pb2 as pb

from services.rpc.status import RemoteError
from services.sessions.client import SessionsClient
from services.sessions.domain.models import Change, Draft
from services.sessions.export import BadExport
from services.sessions.verify import verify
from tests.service.sessions.conftest import Ground
from tests.service.sessions.logs import append_many, varied


@pytest.fixture
def client(ground: Ground) -> SessionsClient:
    return SessionsClient(ground.channel, ground.me())


async def create(client: SessionsClient, task: str = "Mend it\nplease") -> str:
    return (await client.create_session(pb.CreateSessionRequest(task=task))).session.session_id


async def exported(client: SessionsClient, session_id: str) -> bytes:
    parts = [part.lines async for part in client.export_session(pb.ExportSessionRequest(session_id=session_id))]
    return b"".join(parts)


async def taken(parts: AsyncIterator[pb.ExportSessionResponse], into: list[bytes]) -> None:
    async for part in parts:
        into.append(part.lines)


async def recorded(ground: Ground, client: SessionsClient) -> bytes:
    session_id = await create(client)
    await ground.store.apply(session_id, lambda _: Change(drafts=tuple(Draft(event) for event in varied())))
    return await exported(client, session_id)


def complaint(file: bytes) -> str:
    with pytest.raises(BadExport) as bad:
        verify(file.splitlines(keepends=True))
    return str(bad.value)


async def test_export_session_is_the_log(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await ground.store.apply(session_id, lambda _: Change(drafts=tuple(Draft(event) for event in varied())))
    file = await exported(client, session_id)
    header, *events, end = [json.loads(line) for line in file.splitlines()]
    stored = await ground.store.read(session_id, 0, 2**31, 1000)
    assert header["format"] == "lucid-session-export"
    assert (header["session_id"], header["epoch"], header["last_seq"]) == (session_id, 1, len(stored))
    assert (header["title"], header["task"], header["model"]) == ("Mend it", "Mend it\nplease", "demo")
    assert "ownerId" not in header["session"]
    assert [event["sha256"] for event in events] == [hashlib.sha256(data).hexdigest() for _, data in stored]
    assert events[0]["event"]["userMessage"]["text"] == "Mend it\nplease"
    assert (end["count"], end["last_sha256"]) == (len(stored), events[-1]["sha256"])
    words = verify(file.splitlines(keepends=True))
    assert words == f"OK {session_id}: {len(stored)} events, the chain of hashes is whole"


async def test_a_strangers_session_and_none_look_the_same(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    stranger = SessionsClient(ground.channel, ground.me("u2"))
    for who, which in ((stranger, session_id), (client, "ses_none"), (client, "a\0b")):
        with pytest.raises(RemoteError) as refused:
            await exported(who, which)
        assert refused.value.reason == "SESSION_NOT_FOUND"


async def test_a_long_log_comes_in_small_parts(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 3000, text="x" * 2000)
    sizes = []
    lines = b""
    async for part in client.export_session(pb.ExportSessionRequest(session_id=session_id)):
        sizes.append(len(part.lines))
        lines += part.lines
    assert max(sizes) < 600_000
    assert len(sizes) > 10
    assert verify(lines.splitlines(keepends=True)).startswith(f"OK {session_id}: 3003 events")


async def test_an_event_larger_than_a_message_is_exported(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 1, text="\x01" * 2_000_000)
    assert verify((await exported(client, session_id)).splitlines(keepends=True)).startswith("OK")


async def test_what_comes_meanwhile_is_not_in_the_file(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 2000, text="x" * 2000)
    parts = client.export_session(pb.ExportSessionRequest(session_id=session_id))
    file = (await anext(aiter(parts))).lines
    await client.send_message(pb.SendMessageRequest(session_id=session_id, text="later"))
    file += b"".join([part.lines async for part in parts])
    assert verify(file.splitlines(keepends=True)).startswith(f"OK {session_id}: 2003 events")


async def test_a_session_that_is_deleted_meanwhile_gives_no_file(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 12_000, text="x" * 2000)
    parts = client.export_session(pb.ExportSessionRequest(session_id=session_id))
    file = (await anext(aiter(parts))).lines
    await client.delete_session(pb.DeleteSessionRequest(session_id=session_id))
    rest: list[bytes] = []
    with pytest.raises(RemoteError) as refused:
        await taken(parts, rest)
    file += b"".join(rest)
    assert refused.value.reason == "SESSION_NOT_FOUND"
    assert "cut off" in complaint(file[: file.rindex(b"\n") + 1])


async def test_a_caller_that_goes_away_ends_the_export(ground: Ground, client: SessionsClient) -> None:
    session_id = await create(client)
    await append_many(ground.store, session_id, 5000, text="x" * 2000)
    request = pb.ExportSessionRequest(session_id=session_id)
    call = ground.stub.ExportSession(request, metadata=ground.me(), timeout=0.3)
    assert (await call.read()).lines
    # Nobody reads on: the server cannot send, and the deadline comes.
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await exported(client, session_id)).count(b"\n") == 5005


async def test_every_changed_byte_is_found(ground: Ground, client: SessionsClient) -> None:
    file = await recorded(ground, client)
    chance = random.Random(7)
    for place in [*range(300), *chance.sample(range(len(file)), 3000), *range(len(file) - 250, len(file))]:
        changed = bytearray(file)
        changed[place] = chance.choice([byte for byte in (*range(256),) if byte != file[place]])
        complaint(bytes(changed))


async def test_every_removed_doubled_swapped_or_cut_line_is_found_and_named(
    ground: Ground, client: SessionsClient
) -> None:
    lines = (await recorded(ground, client)).splitlines(keepends=True)
    events = len(lines) - 2
    for number in range(1, events + 1):
        assert complaint(b"".join([*lines[:number], *lines[number + 1 :]])).startswith(f"seq {number}:")
        assert complaint(b"".join([*lines[: number + 1], *lines[number:]])).startswith(f"seq {number + 1}:")
        assert complaint(b"".join(lines[:number])).startswith(f"seq {number}: the file is cut off")
        assert complaint(b"".join(lines[:number]) + lines[number][:-9]).startswith(f"seq {number}:")
    for number in range(1, events):
        swapped = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        assert complaint(b"".join(swapped)).startswith(f"seq {number}:")
    assert "header" in complaint(b"".join(lines[1:]))
    assert "follows" in complaint(b"".join([*lines, lines[1]]))
    assert "follows" in complaint(b"".join([*lines, b"\n"]))
    assert complaint(b"") == "header: not a line of JSON"


async def test_an_event_that_says_something_else_than_its_bytes_is_named(
    ground: Ground, client: SessionsClient
) -> None:
    lines = (await recorded(ground, client)).splitlines(keepends=True)

    def altered(number: int, **fields: object) -> bytes:
        content = {**json.loads(lines[number]), **fields}
        line = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        return b"".join([*lines[:number], line, *lines[number + 1 :]])

    shown = json.loads(lines[1])["event"]
    assert complaint(altered(1, event={**shown, "turnId": "trn_x"})) == "seq 1: event is not what data says"
    assert complaint(altered(3, sha256="0" * 64)) == "seq 3: sha256 is not that of data"
    other = json.loads(lines[2])["data"]
    assert complaint(altered(3, data=other)).startswith("seq 3:")
    assert complaint(altered(0, title="Better")).startswith("end: file_sha256")
    assert complaint(altered(0, version=2)) == "header: version 2 is not known here"
    assert complaint(altered(0, session_id="ses_x")) == "seq 1: belongs to another session"


async def test_the_command(ground: Ground, client: SessionsClient, tmp_path: Path) -> None:
    file = await recorded(ground, client)
    path = tmp_path / "session.jsonl"

    async def command(*arguments: str, given: bytes = b"") -> tuple[int, str]:
        line = [sys.executable, "-m", "services.sessions.verify", *arguments]
        done = await asyncio.to_thread(subprocess.run, line, input=given, capture_output=True, check=False)
        return done.returncode, (done.stdout or done.stderr).decode()

    path.write_bytes(file)
    code, words = await command(str(path))
    assert (code, words.startswith("OK ses_"), words.count("\n")) == (0, True, 1)
    assert (await command("-", given=file))[0] == 0
    path.write_bytes(file.replace(b'"seq":2,', b'"seq":3,', 1))
    assert await command(str(path)) == (1, "BAD seq 2: expected here, found 3\n")
    assert (await command(str(tmp_path / "none")))[0] == 2
    assert (await command())[0] == 2
