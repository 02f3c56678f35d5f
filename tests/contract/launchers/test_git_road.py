"""The one way out: from the forwarder inside to a gate outside."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.rpc.ids import new_id
from tests.contract.launchers.conftest import KEY, SESSION, Bench, running, sandbox_on, settings_for
from tests.fakes.gate import StandInGate, shout

TALK = """python3 - <<'END'
import socket
s = socket.create_connection(("127.0.0.1", 3129), 5)
s.sendall(b"x" * 300000 + b"end")
s.shutdown(socket.SHUT_WR)
data = b""
while part := s.recv(65536):
    data += part
print(len(data), data[-3:].decode())
END"""


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[StandInGate]:
    async with StandInGate(tmp_path / "gate.sock").listening() as listening:
        yield listening


@pytest.fixture
async def bench(backend: str, tmp_path: Path, gate: StandInGate) -> AsyncIterator[Bench]:
    deep = tmp_path / ("d" * 90)  # longer than a socket's path may be
    async with sandbox_on(replace(settings_for(backend, deep), gate_target=f"unix:{gate.path}")) as made:
        yield made


async def test_the_gate_is_told_whose_bytes_they_are_and_gets_them_all(bench: Bench, gate: StandInGate) -> None:
    assert (await bench.run(TALK)).output == b"300003 END\n"
    assert gate.preambles == [f"LUCID-GATE/1 {SESSION} {KEY}\n".encode()]


async def test_the_key_is_nowhere_in_the_sandbox(bench: Bench, gate: StandInGate) -> None:
    await bench.run(TALK)
    needle = "k{32}"  # a pattern, so that the search does not find itself
    places = "/proc/*/environ /proc/*/cmdline /run /var/lib/lucid/home /etc"
    assert (await bench.run(f"grep -rlaEs '{needle}' {places}; env | grep -cE '{needle}'")).output == b"0\n"


async def test_git_goes_that_way(bench: Bench, gate: StandInGate) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    gate.answer = refuse
    ran = await bench.run("git -c http.proxy= ls-remote http://127.0.0.1:3129/github.com/o/r.git")
    assert asked[0] == b"GET /github.com/o/r.git/info/refs?service=git-upload-pack HTTP/1.1\r\n"
    assert b"403" in ran.output


async def test_a_gate_that_does_not_answer_is_an_end_not_a_wait(bench: Bench, gate: StandInGate) -> None:
    gate.path.unlink()
    ran = await bench.run("timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/3129; cat <&3'; echo $?")
    assert ran.output.splitlines()[-1] == b"0"


async def test_git_finds_its_settings(bench: Bench) -> None:
    ran = await bench.run(
        'git config user.name; git config user.email; echo "$GIT_TERMINAL_PROMPT $LUCID_TEST"; : >/run/lucid/gitconfig'
    )
    assert ran.output.splitlines()[:3] == [b'A "quoted" name', b"agent@example.org", b"0 1"]
    assert b"Read-only file system" in ran.output


async def test_the_way_comes_back_with_the_next_service_before_anybody_asks(
    backend: str, tmp_path: Path, gate: StandInGate
) -> None:
    """A push in the middle of a restart ends in order; the command goes on, and gets through to the gate afterwards."""
    held = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.set()
        writer.write((await reader.read()).upper())

    gate.answer = hold
    settings = replace(settings_for(backend, tmp_path / "data"), gate_target=f"unix:{gate.path}")
    push = "exec 3<>/dev/tcp/127.0.0.1/3129; timeout 20 cat <&3; echo cut $?; exec 3>&-; touch cut"
    again = f"until {TALK.replace('print(len(data)', 'assert data; print(len(data)')} 2>/dev/null; do sleep 0.05; done"
    again = again.replace("END 2>/dev/null; do", "END\ndo")
    sandbox_id = new_id("sbx")
    async with running(settings) as client:
        bench = Bench(client, settings, sandbox_id)
        await bench.bring_up()
        pushing = asyncio.create_task(bench.run(f"{push}\n{again}\ntouch through; echo through", "push"))
        await asyncio.wait_for(held.wait(), 20)
        pushing.cancel()
    through = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        through.set()
        await shout(reader, writer)

    gate.answer = answer
    async with running(settings) as client:
        await asyncio.wait_for(through.wait(), 20)  # nobody has asked this service for anything
        bench = Bench(client, settings, sandbox_id)
        ran = await bench.run("", "push")
        assert ran.output.splitlines()[0] == b"cut 0"
        assert ran.output.splitlines()[-2:] == [b"300003 END", b"through"]
        await bench.delete()


async def test_the_way_is_taken_back_from_a_service_that_has_gone(
    backend: str, tmp_path: Path, gate: StandInGate
) -> None:
    settings = replace(settings_for(backend, tmp_path / "data"), gate_target=f"unix:{gate.path}")
    sandbox_id = new_id("sbx")
    async with running(settings) as staying:
        bench = Bench(staying, settings, sandbox_id)
        await bench.bring_up()
        async with running(settings) as going:
            await Bench(going, settings, sandbox_id).bring_up()
            assert (await bench.run(TALK)).output == b"300003 END\n"
        for _ in range(100):
            if (await bench.run(TALK)).output == b"300003 END\n":
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the way to the gate is not taken back")
        await bench.delete()
