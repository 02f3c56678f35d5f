"""The way to allowed hosts, from inside a sandbox: what passes, and what a command is told whose call is blocked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lucid.sandbox.v1 import network_pb2
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.backends.egress.proxy import EgressProxy
from services.sandbox.domain.network import HostRule, NetworkChoice, NetworkMode
from tests.contract.launchers.conftest import Bench, order, running, settings_for
from tests.contract.launchers.egress_ground import HOST, LIMITS, WILD, Ground, egress_ground

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    folder: Path = tmp_path_factory.mktemp("egress")
    async with egress_ground(backend, folder) as made:
        yield made


def curl(ground: Ground, host: str) -> str:
    return f"curl -sS --fail-with-body https://{host}:{ground.port}/hello"


async def test_allowed_hosts_are_reached(ground: Ground) -> None:
    for host in (HOST, f"a.{WILD}"):
        ran = await ground.bench.run(curl(ground, host))
        assert (ran.output, ran.exit.exit_code, ran.refusals) == (b"hello\n", 0, [])


async def test_another_host_is_refused_and_the_command_is_told(ground: Ground) -> None:
    key = ground.bench.key()
    ran = await ground.bench.run("curl -sS https://evil.example/ ; curl -sS https://evil.example/", key)
    assert ran.refusals == [("evil.example", 443, "NOT_ALLOWED")], "once for each host"
    assert ran.blocked[0].command_id == key
    assert f"{HOST}:{ground.port}" in ran.blocked[0].allowed
    assert "evil.example" not in ground.asked, "names that are not allowed are not looked up"


async def test_the_caller_itself_is_told_in_words(ground: Ground) -> None:
    said = await ground.talk(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")
    assert said.status == 403
    assert b"blocked: evil.example:443 is not allowed here; allowed is: " in said.got
    assert f"{HOST}:{ground.port}".encode() in said.got


async def test_each_of_many_commands_is_told_its_own(ground: Ground) -> None:
    keys = [ground.bench.key() for _ in range(4)]
    runs = await asyncio.gather(
        *(ground.bench.run(f"curl -sS https://host{n}.example/", key) for n, key in enumerate(keys))
    )
    assert [[(call.host, call.command_id) for call in ran.blocked] for ran in runs] == [
        [(f"host{n}.example", key)] for n, key in enumerate(keys)
    ]


async def test_who_attaches_later_is_told_too(ground: Ground) -> None:
    key = ground.bench.key()
    first = await ground.bench.run("curl -sS https://later.example/", key)
    again = await ground.bench.run("", key, attach_only=True)
    assert again.refusals == first.refusals == [("later.example", 443, "NOT_ALLOWED")]


async def test_what_comes_by_the_socket_itself_is_told_to_the_command_that_runs(ground: Ground) -> None:
    said = await ground.talk(b"CONNECT around.example:443 HTTP/1.1\r\n\r\n", to="/run/lucid/egress.sock")
    assert said.status == 403
    assert said.ran.refusals == [("around.example", 443, "NOT_ALLOWED")]
    assert said.ran.blocked[0].command_id == ""


async def test_a_call_of_what_was_left_running_is_told_to_the_next_command(ground: Ground) -> None:
    key = ground.bench.key()
    await ground.bench.run("(sleep 0.5; curl -s https://left.example/; touch /tmp/left) >/dev/null 2>&1 &", key)
    ran = await ground.bench.run("until [ -e /tmp/left ]; do sleep 0.05; done")
    assert [(call.host, call.command_id) for call in ran.blocked] == [("left.example", key)]


async def test_a_command_is_told_by_whichever_service_has_the_socket(ground: Ground) -> None:
    bench = ground.bench
    async with running(bench.settings, egress=EgressProxy(ground.resolve, LIMITS)) as other:
        async for _ in other.run_command(bench.request("true")):
            pass  # now the other service is connected, and its socket has taken the place of ours
        ran = await bench.run("curl -sS https://two.example/")
        assert ran.refusals == [("two.example", 443, "NOT_ALLOWED")]
    await bench.until(curl(ground, HOST))


async def test_no_network_is_said_so(ground: Ground) -> None:
    client, sandbox_id = ground.bench.client, new_id("sbx")
    wanted = order(sandbox_id)
    wanted.network = network_pb2.NETWORK_MODE_OFF
    made = (await client.create_sandbox(wanted)).sandbox
    try:
        assert (made.network.mode, list(made.network.allowed)) == (network_pb2.NETWORK_MODE_OFF, [])
        wanted.network = network_pb2.NETWORK_MODE_LIST
        again = (await client.create_sandbox(wanted)).sandbox
        assert again.network == made.network, "what it has it keeps"
        off = Bench(client, ground.bench.settings, sandbox_id)
        ran = await off.run(curl(ground, HOST))
        assert ran.refusals == [(HOST, ground.port, "NETWORK_OFF")]
        assert list(ran.blocked[0].allowed) == []
    finally:
        await client.delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=sandbox_id))


async def test_more_network_than_the_operator_allows_is_refused(backend: str, tmp_path: Path) -> None:
    choice = NetworkChoice(NetworkMode.REGISTRIES, (HostRule("a.example"),))
    async with running(settings_for(backend, tmp_path, network=choice)) as client:
        wanted = order(new_id("sbx"))
        wanted.network = network_pb2.NETWORK_MODE_LIST
        with pytest.raises(RemoteError) as refused:
            await client.create_sandbox(wanted)
        assert refused.value.reason == "NETWORK_NOT_ALLOWED"
        status = await client.get_status(pb.GetStatusRequest())
        assert list(status.network.allowed) == ["a.example:443"]


async def test_the_sandbox_says_what_it_may_reach_and_keeps_it(ground: Ground) -> None:
    made = await ground.bench.bring_up()
    found = await ground.bench.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=ground.bench.sandbox_id))
    assert list(found.sandbox.network.allowed) == list(made.sandbox.network.allowed)
    assert f"*.{WILD}:{ground.port}" in found.sandbox.network.allowed
