"""Any image with /bin/sh and our CPU will do: helper, and bash and git where they are missing, are the toolbox's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from lucid.sandbox.v1 import images_pb2

from services.rpc.errors import LucidError
from services.rpc.ids import new_id
from services.sandbox.backends.toolbox import LABEL, Toolbox
from tests.contract.launchers.conftest import Bench, order, running, settings_for
from tests.grounds import small_images

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]
DEFAULT = "lucid-sandbox:latest"
BROKEN = b"#!/bin/sh\nexit 1\n"
ACCOUNTS = b"root:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n"
DRESSED = [
    "ENTRYPOINT /bin/nothing",
    "USER www",
    "VOLUME /data /workspace",
    "ENV PATH=/opt/tool:/bin",
    "ENV LD_LIBRARY_PATH=/nowhere",
    "ENV LD_PRELOAD=/nowhere/lib.so",
    "ENV COLOUR=green",
]


@pytest.fixture(scope="module")
def made(docker_engine: docker.DockerClient) -> Iterator[dict[str, str]]:
    """Images by what they are like; removed at the end."""
    glibc = small_images.with_glibc("bash", "sh", "cat", "id", "sleep", "ls", "env", "stat", "touch")
    tool = {"opt/tool/greet": b"#!/bin/sh\necho hello from the image\n"}
    names = {
        "alpine": small_images.make(docker_engine, small_images.unique("alpine"), small_images.like_alpine()),
        "broken": small_images.make(
            docker_engine, small_images.unique("broken"), {**glibc, "usr/bin/python3": BROKEN, "usr/bin/git": BROKEN}
        ),
        "dressed": small_images.make(
            docker_engine,
            small_images.unique("dressed"),
            {**small_images.like_alpine(), **tool, "etc/passwd": ACCOUNTS, "workspace/theirs": b"x", "data/seed": b"x"},
            DRESSED,
        ),
        "empty": small_images.make(docker_engine, small_images.unique("empty"), {"readme": b"no shell here"}),
        "mute": small_images.make(docker_engine, small_images.unique("mute"), {"bin/sh": b"\x7fELF not really"}),
        "foreign": small_images.make_foreign(
            docker_engine, small_images.unique("foreign"), "riscv64", small_images.like_alpine()
        ),
    }
    yield names
    for name in names.values():
        docker_engine.images.remove(name, force=True)


@contextlib.asynccontextmanager
async def service(tmp_path: Path, made: dict[str, str], **changes: Any) -> AsyncIterator[Bench]:
    """A service that allows the images; its sandbox is not made yet."""
    changes = {"images": tuple(made.values()), "memory_limit": "256m", "pids_limit": 120, **changes}
    settings = settings_for("docker", tmp_path, **changes)
    async with running(settings) as client:
        bench = Bench(client, settings, new_id("sbx"))
        try:
            yield bench
        finally:
            await bench.delete()


async def bring_up(bench: Bench, image: str) -> str:
    request = order(bench.sandbox_id)
    request.image = image
    return (await bench.client.create_sandbox(request)).sandbox.image


async def configure(bench: Bench, image: str, **env: str) -> images_pb2.ConfigureSandboxResponse:
    request = images_pb2.ConfigureSandboxRequest(sandbox_id=bench.sandbox_id, image=image, env=env)
    return await bench.client.configure_sandbox(request)


async def said(bench: Bench, command: str) -> str:
    return (await bench.run(command)).output.decode()


@pytest.mark.parametrize("kind", ["alpine", "broken"])
async def test_commands_files_git_and_snapshots_work(tmp_path: Path, made: dict[str, str], kind: str) -> None:
    async with service(tmp_path, made) as bench:
        assert await bring_up(bench, made[kind]) == made[kind]
        assert await said(bench, "id -u; id -un; [[ $BASH_VERSION ]] && echo bash; echo $HOME; pwd") == (
            "1000\nsandbox\nbash\n/var/lib/lucid/home\n/workspace\n"
        )
        await bench.run("export CARRIED=yes; f() { echo from f; }; cd /tmp")
        assert await said(bench, "echo $CARRIED; f; pwd") == "yes\nfrom f\n/tmp\n"
        assert (await bench.run("exit 7")).exit.exit_code == 7
        assert (await bench.run("touch /usr/new /bin/new /opt/lucid/new; echo ours >~/mine")).exit.exit_code == 0
        assert await said(bench, "ls /bin/new /opt/lucid/new ~/mine 2>/dev/null") == "/var/lib/lucid/home/mine\n"
        await bench.create("a.txt", "one\n")
        first = (await bench.snapshot()).tree
        await bench.edit("a.txt", replace={"old_text": "one", "new_text": "two"})
        changed = await bench.snapshot(since=first)
        assert [(change.path, change.added, change.removed) for change in changed.changes] == [("a.txt", 1, 1)]
        if kind == "alpine":
            made_a_commit = "cd /workspace && git init -q r && cd r && touch b && git add b && git commit -qm first"
            assert (await bench.run(made_a_commit)).exit.exit_code == 0
            assert (await said(bench, "git -C /workspace/r log --format=%s")) == "first\n"


async def test_what_an_image_sets_is_heeded_but_cannot_harm(
    tmp_path: Path, made: dict[str, str], docker_engine: docker.DockerClient
) -> None:
    async with service(tmp_path, made) as bench:
        await bring_up(bench, made["dressed"])
        assert await said(bench, "greet; echo $COLOUR; echo $LD_LIBRARY_PATH$LD_PRELOAD; id -un; whoami") == (
            "hello from the image\ngreen\n/nowhere\nsandbox\nsandbox\n"
        )
        # Its own accounts are known besides ours; our workspace is empty; its volume is ours to write, within a bound.
        assert "www:x:33:33" in await said(bench, "cat /etc/passwd")
        assert await said(bench, "ls /workspace /data; echo x >/data/mine && echo written") == (
            "/data:\n\n/workspace:\nwritten\n"
        )
        container = docker_engine.containers.get(bench.settings.container_prefix + bench.sandbox_id)
        named = {mount.get("Name", "") for mount in container.attrs["Mounts"] if mount["Type"] == "volume"}
        assert all(name.startswith(("lucid-toolbox-", container.name)) for name in named), (
            "none without a name or bound"
        )


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("foreign", "IMAGE_UNSUITABLE", "made for riscv64"),
        ("empty", "IMAGE_UNSUITABLE", "/bin/sh"),
        ("mute", "IMAGE_UNSUITABLE", "/bin/sh"),
        ("absent", "IMAGE_NOT_FOUND", "lucid-test-absent"),
        ("another", "IMAGE_NOT_ALLOWED", DEFAULT),
    ],
)
async def test_an_image_that_does_not_do_is_refused_in_words(
    tmp_path: Path, made: dict[str, str], kind: str, reason: str, words: str
) -> None:
    made = {**made, "absent": "lucid-test-absent:1"}
    async with service(tmp_path, made) as bench:
        with pytest.raises(LucidError) as refused:
            await bring_up(bench, made.get(kind, "library/another:latest"))
        assert refused.value.reason == reason
        assert words in refused.value.message


async def test_another_image_and_variables_on_the_same_workspace(tmp_path: Path, made: dict[str, str]) -> None:
    async with service(tmp_path, made) as bench:
        await bring_up(bench, "")
        await bench.create("kept.txt", "kept\n")
        await bench.run("export PATH=$PATH:/mine MINE=1 WHO=me; cd /tmp")
        answer = await configure(bench, made["dressed"], WHO="you")
        assert (answer.image, answer.remade) == (made["dressed"], True)
        assert await said(bench, "greet; echo $WHO $MINE; cat /workspace/kept.txt; echo $LUCID_TEST") == (
            "hello from the image\nyou 1\nkept\n\n"
        )
        assert not (await configure(bench, made["dressed"], WHO="you")).remade
        # Bringing it up again, as an owner does at the start of a turn, leaves image and variables as they are.
        assert not (await bench.bring_up()).created
        await bench.kill_helper()
        assert await said(bench, "echo $WHO") == "you\n"
        helper = await bench.helper()
        for image in (made["empty"], "library/another:latest"):
            with pytest.raises(LucidError):
                await configure(bench, image, WHO="nobody")
        assert (await said(bench, "echo $WHO"), await bench.helper()) == ("you\n", helper)
        assert (await configure(bench, "")).image == DEFAULT
        assert await said(bench, "greet 2>/dev/null; echo $WHO; test -x /usr/bin/git && echo back") == "\nback\n"


async def test_a_toolbox_is_filled_once_and_old_ones_go(
    tmp_path: Path, made: dict[str, str], docker_engine: docker.DockerClient
) -> None:
    old = docker_engine.volumes.create(f"lucid-toolbox-test-{new_id('old')}", labels={LABEL: "old"})
    boxes = [Toolbox(lambda: docker_engine, ("no-such-image", DEFAULT)) for _ in range(4)]
    names = await asyncio.gather(*(asyncio.to_thread(box.ensure) for box in boxes))
    assert len(set(names)) == 1
    filler = docker_engine.containers.get(names[0])
    assert (filler.status, filler.labels[LABEL]) == ("exited", names[0])
    assert old.name not in {volume.name for volume in docker_engine.volumes.list()}
    again = await asyncio.to_thread(Toolbox(lambda: docker_engine, (DEFAULT,)).ensure)
    assert (again, docker_engine.containers.get(again).id) == (names[0], filler.id)
    assert Toolbox(lambda: docker_engine, ("no-such-image",)).ensure() == ""


async def test_without_a_toolbox_the_images_own_python_does(tmp_path: Path, made: dict[str, str]) -> None:
    async with service(tmp_path, made, toolbox_image="no-such-image") as bench:
        await bring_up(bench, "")
        assert await said(bench, "echo works; test -e /opt/lucid || echo none") == "works\nnone\n"


async def test_the_helper_is_not_found_by_its_name(tmp_path: Path, made: dict[str, str]) -> None:
    """An agent that ends its own servers by their name must not end its sandbox."""
    async with service(tmp_path, made) as bench:
        await bring_up(bench, "")
        helper = await bench.helper()
        ended = await said(
            bench,
            "python3 -c 'import time; time.sleep(100)' & sleep 0.3; pkill python3; pkill -f python; wait; echo $?",
        )
        assert ended.endswith("143\n") or ended.endswith("0\n")
        assert await bench.helper() == helper
