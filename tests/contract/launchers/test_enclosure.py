"""Sandboxes are looked at from inside before they are used, and what a level lacks is said."""

import ast
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.sandbox.backends.bubblewrap import BubblewrapLauncher
from services.sandbox.backends.checkup import Checkups
from services.sandbox.domain.enclosure import Expected, Setting
from services.sandbox.domain.errors import EnclosureBroken
from services.sandbox.domain.limits import Limits
from services.sandbox.domain.models import Confinement, Sandbox
from tests.contract.launchers.conftest import OWNER, SESSION, Bench, order, running, settings_for
from tests.unit.house.tree import ROOT, code, read

LIMITS = Limits(memory=2**28, cpus=1.0, pids=120, disk=2**30)
MOUNTED = {"/workspace", "/var/lib/lucid", "/run/lucid"}


class Promising(BubblewrapLauncher):
    """Promises a limit of disk that the file system does not keep."""

    async def expected(self, body: str = "") -> Expected:
        return Expected(LIMITS)


def sandbox() -> Sandbox:
    return Sandbox(new_id("sbx"), OWNER, SESSION, "", {}, (), Confinement.BUBBLEWRAP, 0, datetime.now(UTC))


async def test_what_is_seen_inside_is_told(bench: Bench, backend: str) -> None:
    status = await bench.client.get_status(pb.GetStatusRequest())
    found = {one.setting: one for one in status.findings}
    assert list(found) == [setting.value for setting in Setting]
    groups = backend == "docker" or os.geteuid() == 0
    missing = [Setting.DISK.value] if groups else [Setting.MEMORY.value, Setting.CPU.value, Setting.DISK.value]
    assert [name for name, one in found.items() if not one.holds] == missing
    assert all(one.found for one in found.values())
    assert list(status.lacks) == [*missing[:-1], "enforced limit of disk (it is measured)"]
    told = (await bench.client.get_sandbox(pb.GetSandboxRequest(sandbox_id=bench.sandbox_id))).sandbox
    assert list(told.lacks) == list(status.lacks)
    assert found[Setting.MEMORY.value].found == ("256 MiB" if groups else "none")


async def test_a_promise_that_is_not_kept_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o711)
    launcher, made = Promising(tmp_path, LIMITS), sandbox()
    await launcher.launch(made, str(run))
    try:
        with pytest.raises(EnclosureBroken, match="Not in force: limit of disk"):
            await Checkups().check(launcher, made)
    finally:
        await launcher.remove(made.sandbox_id, keep_workspace=False)
    assert "NOT closed off" in caplog.text


async def test_a_kind_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o711)
    launcher, made, checkups = BubblewrapLauncher(tmp_path, LIMITS), sandbox(), Checkups()
    await launcher.launch(made, str(run))
    try:
        await checkups.check(launcher, made)
        monkeypatch.setattr(launcher, "attach", lambda *_: pytest.fail("looked at again"))
        await checkups.check(launcher, made)
    finally:
        await launcher.remove(made.sandbox_id, keep_workspace=False)


async def test_no_confinement_is_loud_and_only_where_it_is_allowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings_for("process", tmp_path / "no")) as client:
        with pytest.raises(RemoteError) as refused:
            await client.create_sandbox(order(new_id("sbx")))
    assert refused.value.reason == "NO_CONFINEMENT"
    async with running(settings_for("process", tmp_path / "yes", allow_unconfined=True)) as client:
        status = await client.get_status(pb.GetStatusRequest())
    assert (status.confinement, list(status.lacks)) == (pb.Sandbox.CONFINEMENT_PROCESS, ["any confinement"])
    assert "NOT confined" in caplog.text


async def test_a_bare_machine_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with running(settings_for("auto", tmp_path / "data", docker_socket=str(tmp_path / "none"))) as client:
        with pytest.raises(RemoteError) as refused:
            await client.create_sandbox(order(new_id("sbx")))
    assert refused.value.reason == "NO_CONFINEMENT"
    assert f"no Docker engine listens at {tmp_path / 'none'}" in refused.value.message
    assert "bubblewrap is not installed (apt-get install bubblewrap)" in refused.value.message


async def test_a_kernel_without_user_namespaces_is_told_what_to_do(tmp_path: Path) -> None:
    """A sandbox of this machine forbids them: what looks for bubblewrap in there is such a machine."""
    look = (
        "import asyncio, pathlib; from services.sandbox.backends.bubblewrap import BubblewrapLauncher;"
        "from services.sandbox.domain.limits import Limits;"
        f"print(asyncio.run(BubblewrapLauncher(pathlib.Path({str(tmp_path)!r}), Limits(2**28, 1.0, 120, 0)).usable()))"
    )
    closed = ["bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns", "--dev-bind", "/", "/"]
    process = await asyncio.create_subprocess_exec(
        *closed, "--", sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    said, _ = await process.communicate()
    assert b"This kernel lets this user make no user namespaces. As root: sysctl" in said


@pytest.mark.docker
async def test_a_runtime_that_the_engine_has_not_is_refused(docker_engine: Any, tmp_path: Path) -> None:
    assert docker_engine
    async with running(settings_for("docker", tmp_path, runtime="none-such")) as client:
        with pytest.raises(RemoteError, match="SANDBOX_RUNTIME is 'none-such', and the engine has only"):
            await client.create_sandbox(order(new_id("sbx")))


@pytest.mark.docker
@pytest.mark.parametrize("backend", ["docker"])
async def test_no_container_sees_the_engine(bench: Bench, docker_engine: Any) -> None:
    """Ours are mounted, and a toolbox; the engine's socket is in none of them."""
    made = docker_engine.containers.list(all=True, filters={"label": f"lucid.sandbox={bench.sandbox_id}"})
    assert made
    for container in made:
        binds = [mount for mount in container.attrs["Mounts"] if mount["Type"] == "bind"]
        folder = str(bench.settings.data_dir / "run")
        assert all(mount["Source"].startswith(folder) and not mount["RW"] for mount in binds)
        assert "docker.sock" not in json.dumps(container.attrs["HostConfig"])
        assert {mount["Destination"] for mount in container.attrs["Mounts"]} >= MOUNTED
        assert container.attrs["HostConfig"]["LogConfig"]["Type"] == "none"


def test_only_the_sandbox_service_speaks_to_an_engine() -> None:
    strangers = []
    for path in code(".py"):
        if path.startswith("services/") and not path.startswith("services/sandbox/"):
            tree = ast.parse(read(path))
            names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
            names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            if "docker.sock" in read(path) or any(name.split(".")[0] == "docker" for name in names):
                strangers.append(path)
    assert strangers == []
