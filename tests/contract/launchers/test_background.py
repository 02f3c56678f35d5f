"""What runs on: in the background by order, or left behind by a command; its log, its place in the list, its end."""

import asyncio

import pytest
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, Ran

pytestmark = pytest.mark.asyncio(loop_scope="module")
Command = pb.Command
# It says a line for every request, to where its output went: once nobody reads that, a server of this kind dies of it.
SERVER = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print('asked for', self.path, flush=True)
        self.send_response(200); self.end_headers(); self.wfile.write(b'served')
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
print('listening', flush=True)
server.serve_forever()
"""
ASK = "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:{}/{}\").read())'"


async def log(bench: Bench, key: str, **fields: int) -> pb.ReadCommandLogResponse:
    request = cpb.ReadCommandLogRequest(sandbox_id=bench.sandbox_id, command_id=key, **fields)
    return await bench.client.read_command_log(request)


async def until_logged(bench: Bench, key: str, text: bytes) -> pb.ReadCommandLogResponse:
    """The log once it holds the text: each look waits for a byte more."""
    part = await log(bench, key)
    while text not in part.data:
        before = part.total_bytes
        await log(bench, key, offset=before, wait_ms=20_000)
        part = await log(bench, key)
        assert part.total_bytes > before, part.data
    return part


async def listed(bench: Bench, active_only: bool = False) -> dict[str, pb.Command]:
    request = cpb.ListCommandsRequest(sandbox_id=bench.sandbox_id, active_only=active_only, page_size=200)
    return {found.command_id: found for found in (await bench.client.list_commands(request)).commands}


async def attach(bench: Bench, key: str, from_offset: int = 0) -> Ran:
    ran = Ran()
    request = cpb.AttachCommandRequest(sandbox_id=bench.sandbox_id, command_id=key, from_offset=from_offset)
    async for frame in bench.client.attach_command(request):
        ran.take(frame)  # type: ignore[arg-type]
    return ran


async def test_in_the_background_it_answers_once_it_runs(shared: Bench) -> None:
    key = shared.key()
    ran = await shared.run("echo up; until [ -f go ]; do sleep 0.02; done; echo done; exit 4", key, background=True)
    assert (ran.reason, ran.output, ran.exit.WhichOneof("end")) == ("REASON_DETACHED", b"", None)
    found = (await listed(shared, active_only=True))[key]
    assert (found.state, found.background, found.HasField("exit")) == (Command.STATE_RUNNING, True, False)
    assert found.command.startswith("echo up;")
    assert found.processes >= 1
    assert (await shared.run("", key, background=True)).reason == "REASON_DETACHED"
    await shared.run("touch go")
    ran = await attach(shared, key)
    assert (ran.output, ran.exit.exit_code, ran.started.attached) == (b"up\ndone\n", 4, True)
    assert (await shared.run("", key, background=True)).exit == ran.exit
    found = (await listed(shared))[key]
    assert (found.state, found.exit.exit_code, found.total_bytes) == (Command.STATE_ENDED, 4, 8)
    assert key not in await listed(shared, active_only=True)


async def test_one_that_ends_at_once_is_told_as_it_ended(shared: Bench) -> None:
    ran = await shared.run("echo no such port >&2; exit 3", background=True)
    assert (ran.reason, ran.exit.exit_code, ran.exit.head) == ("REASON_EXITED", 3, b"no such port\n")


async def test_in_the_background_nothing_carries_over(shared: Bench) -> None:
    here = (await shared.run("pwd")).output
    await shared.run("cd /tmp; export FROM_BACKGROUND=1", background=True)
    assert (await shared.run("pwd; echo [$FROM_BACKGROUND]")).output == here + b"[]\n"


@pytest.mark.parametrize(("how", "port"), [("left behind", 4811), ("by order", 4812)])
async def test_a_server_keeps_serving_and_its_log_goes_on(shared: Bench, how: str, port: int) -> None:
    key = shared.key()
    await shared.create("server.py", SERVER)
    if how == "left behind":
        ran = await shared.run(f"python3 server.py {port} & echo started", key)
        assert (ran.reason, ran.exit.left_running >= 1) == ("REASON_EXITED", True)
        assert ran.exit.duration_ms < 5000
    else:
        assert (await shared.run(f"python3 server.py {port}", key, background=True)).reason == "REASON_DETACHED"
    await until_logged(shared, key, b"listening")
    for page in ("one", "two"):
        assert b"served" in (await shared.run(ASK.format(port, page))).output
    part = await until_logged(shared, key, b"asked for /two")
    assert (part.offset, part.head_end, part.tail_start) == (0, part.total_bytes, part.total_bytes)
    last = await log(shared, key, last_bytes=15)
    assert (last.data, last.offset) == (part.data[-15:], part.total_bytes - 15)
    found = (await listed(shared, active_only=True))[key]
    expected = Command.STATE_LEFT_RUNNING if how == "left behind" else Command.STATE_RUNNING
    assert (found.state, found.total_bytes, found.HasField("exit")) == (
        expected,
        part.total_bytes,
        how == "left behind",
    )
    assert await shared.stop(key) >= 1
    assert key not in await listed(shared, active_only=True)
    assert b"served" not in (await shared.run(ASK.format(port, "three"))).output


async def test_output_of_what_was_left_behind_is_not_the_next_commands(shared: Bench) -> None:
    key = shared.key()
    await shared.run("(until [ -f late ]; do sleep 0.02; done; echo late) & echo soon", key)
    assert (await shared.run("touch late; echo mine")).output == b"mine\n"
    await until_logged(shared, key, b"late")


async def test_a_background_flood_is_kept_at_its_ends_and_told_where_it_is_cut(shared: Bench) -> None:
    key, size, kept = shared.key(), 12_000_000, 4 * 1024 * 1024
    await shared.run(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo end; sleep 1000", key, background=True)
    while (part := await log(shared, key, offset=2**40)).total_bytes < size + 5:
        await log(shared, key, offset=part.total_bytes, wait_ms=20_000)
    assert (part.head_end, part.tail_start, part.data) == (kept, size + 5 - kept, b"")
    assert (await log(shared, key, last_bytes=6)).data == b"x\nend\n"
    dropped = await log(shared, key, offset=kept + 5, limit=10)
    assert (dropped.offset, dropped.data) == (part.tail_start, b"x" * 10)
    across = await log(shared, key, offset=kept - 5, limit=10)
    assert (across.offset, len(across.data)) == (kept - 5, 5)
    assert len((await log(shared, key, offset=part.tail_start, limit=2**30)).data) == 1024 * 1024
    await shared.stop(key)


async def test_waiting_for_the_end_of_what_runs(shared: Bench) -> None:
    key = shared.key()
    await shared.run("echo a; until [ -f enough ]; do sleep 0.02; done; echo b", key, background=True)
    waiting = asyncio.create_task(log(shared, key, last_bytes=100, wait_ms=30_000))
    await shared.run("touch enough")
    part = await waiting
    assert (part.data, part.command.exit.exit_code, part.command.state) == (b"a\nb\n", 0, Command.STATE_ENDED)


async def test_the_list_is_paged(shared: Bench) -> None:
    keys = [shared.key() for _ in range(5)]
    for key in keys:
        await shared.run("true", key)
    found, token = [], ""
    for _ in range(3):
        request = cpb.ListCommandsRequest(sandbox_id=shared.sandbox_id, page_size=2, page_token=token)
        page = await shared.client.list_commands(request)
        found += [command.command_id for command in page.commands]
        token = page.next_page_token
    assert found[:5] == keys[::-1]
    gone = cpb.ListCommandsRequest(sandbox_id=shared.sandbox_id, page_token="cmd_long_forgotten")
    assert not (await shared.client.list_commands(gone)).commands


async def test_what_was_never_started(shared: Bench) -> None:
    for call in (log(shared, "never"), attach(shared, "never")):
        with pytest.raises(RemoteError) as refused:
            await call
        assert refused.value.reason == "COMMAND_NOT_FOUND"
