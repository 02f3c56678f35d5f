"""What a sandbox cannot do, seen from inside, on every launcher."""

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.sandbox.backends.seccomp import profile
from tests.contract.launchers.conftest import Bench

PROBES = {
    "id -u": b"1000\n",
    "grep -E '^Cap(Eff|Prm|Bnd|Amb|Inh)' /proc/self/status | grep -v 0000000000000000": b"",
    "grep NoNewPrivs /proc/self/status": b"NoNewPrivs:\t1\n",
    "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '": b"lo\n",
    "ls /var/run/docker.sock /root /etc/shadow 2>/dev/null | grep -v '^$' | grep -v /etc/shadow": b"",
    "cat /etc/shadow 2>/dev/null": b"",
    "touch /usr/x /etc/x /x 2>/dev/null; ls /usr/x /etc/x /x 2>/dev/null": b"",
    "echo 1 2>/dev/null >/proc/sys/kernel/core_pattern || echo refused": b"refused\n",
    "unshare --user true || echo refused": b"refused\n",
    "ulimit -n": b"8192\n",
    "touch /tmp/x && echo 'echo ran' >/tmp/x && bash /tmp/x": b"ran\n",
    "cd ~ && pwd && touch here && ls": b"/var/lib/lucid/home\nhere\n",
}  # fmt: skip


@pytest.mark.parametrize("probe", PROBES)
async def test_seen_from_inside(bench: Bench, probe: str) -> None:
    assert (await bench.run(f"{{ {probe}; }} 2>/dev/null || true")).output == PROBES[probe]


async def test_only_its_own_processes_are_seen(bench: Bench) -> None:
    assert int((await bench.run("ls /proc | grep -c '^[0-9]'")).output) < 12


async def test_how_well_it_is_closed_off_is_told(bench: Bench, backend: str) -> None:
    found = (await bench.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=bench.sandbox_id))).sandbox
    assert pb.Sandbox.Confinement.Name(found.confinement) == f"CONFINEMENT_{backend.upper()}"
    assert (pb.Sandbox.State.Name(found.state), found.workspace) == ("STATE_READY", "/workspace")
    assert found.image == ("lucid-sandbox:latest" if backend == "docker" else "")


@pytest.mark.docker
@pytest.mark.parametrize("backend", ["docker"])
async def test_the_limits_of_a_container(bench: Bench, docker_engine: object) -> None:
    [container] = docker_engine.containers.list(filters={"label": f"lucid.sandbox={bench.sandbox_id}"})  # type: ignore[attr-defined]
    host = container.attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (256 * 2**20, 256 * 2**20, 120)
    assert (host["CapDrop"], host["NetworkMode"]) == (["ALL"], "none")
    assert host["SecurityOpt"] == ["no-new-privileges", f"seccomp={profile.text()}"]
    assert (host["ReadonlyRootfs"], host["LogConfig"]["Type"], host["Privileged"]) == (True, "none", False)
    assert host["NanoCpus"] == 10**9
    assert container.labels["lucid.session_id"] == "ses_contract"
    assert all("lucid" in mount["Destination"] or mount["Type"] == "volume" for mount in container.attrs["Mounts"])
