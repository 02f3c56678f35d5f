"""The helper needs the standard library only, from Python 3.7 on."""

import ast
import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from services.sandbox.backends import frames, guest_answers
from services.sandbox.backends.boot import boot_text, build, bundle
from services.sandbox.backends.control import ControlSockets
from services.sandbox.backends.handing import handing_over
from services.sandbox.backends.helper import Helper
from services.sandbox.backends.raising import VERSION
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.models import CommandOrder, CreateFile, EditOrder, Exit, InsertLines, ReplaceText
from services.sandbox.guest import frames as guest_frames
from services.sandbox.guest import processes
from services.sandbox.server import UtcClock

GUEST = Path(guest_frames.__file__).parent


@pytest.mark.parametrize("path", sorted(GUEST.glob("*.py")), ids=lambda path: path.name)
def test_it_is_old_python_and_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names) | {"__future__"}


def test_the_bundle_is_the_folder() -> None:
    size, text = int.from_bytes(bundle()[:4], "big"), bundle()[4:]
    assert size == len(text)
    assert set(json.loads(text)) == {"guest"} | {f"guest.{p.stem}" for p in GUEST.glob("*.py")} - {
        "guest.__init__",
        "guest.boot",
        "guest.look_around",
    }


def test_both_sides_speak_of_the_same_frames() -> None:
    for name in ("REQUEST", "REPLY", "ERROR", "NOTE", "DATA", "CREDIT", "CANCEL"):
        assert getattr(frames, name) == getattr(guest_frames, name)
    assert frames.HEADER.format == guest_frames.HEADER.format
    assert guest_frames.unpack(frames.pack({"a": "ü"}, b"\0\xff")) == ({"a": "ü"}, b"\0\xff")
    assert frames.unpack(guest_frames.pack({"b": 1}, b"x")) == ({"b": 1}, b"x")


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_are_cut_out_of_any_stream(step: int) -> None:
    sent = [(1, frames.DATA, b"x" * 50), (2**32 - 1, frames.NOTE, b""), (7, frames.REPLY, b"\0\1")]
    stream = b"".join(frames.frame(*each) for each in sent)
    parser = frames.Parser()
    found = [each for at in range(0, len(stream), step) for each in parser.feed(stream[at : at + step])]
    assert found == sent


def test_a_frame_without_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="large"):
        list(frames.Parser().feed(b"\xff" * 9))


@pytest.mark.parametrize(
    ("change", "kind", "blob", "split"),
    [
        (CreateFile("ü", overwrite=True), "create", "ü".encode(), 2),
        (ReplaceText("ü", "b"), "replace", "üb".encode(), 2),
        (InsertLines(4, "x"), "insert", b"x", 1),
    ],
)
def test_edits_on_their_way_in(change: object, kind: str, blob: bytes, split: int) -> None:
    request, sent = guest_answers.edit_request(EditOrder("key", "path", change))  # type: ignore[arg-type]
    assert (request["kind"], sent, request["split"]) == (kind, blob, split)


def interpreters() -> list[str]:
    """Those of this machine that are new enough. A test above checks the syntax for all."""
    new_enough = "import sys; sys.exit(sys.version_info < (3, 7))"
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")
    found = {str(path.resolve()) for path in [Path(sys.executable), Path("/usr/bin/python3"), *beside] if path.exists()}
    return sorted(path for path in found if not subprocess.run([path, "-c", new_enough], check=False).returncode)


class Started(NamedTuple):
    """A helper as a process of this machine, and a connection to it."""

    process: asyncio.subprocess.Process
    control: ControlSockets
    home: Path

    async def connect(self) -> Helper:
        attachment = await self.control.connect("sbx_plain")
        assert attachment is not None
        return Helper(attachment, Uses(self.home.parent, UtcClock()), "sbx_plain")


async def start(program: str, folder: Path, sources: bytes) -> Started:
    for name in ("workspace", "state"):
        (folder / name).mkdir()
    home = folder / "gitconfig"
    home.touch()
    process = await asyncio.create_subprocess_exec(
        program, "-I", "-S", "-u", "-c", boot_text(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "op": "hello",
        "workspace": str(folder / "workspace"),
        "state": str(folder / "state"),
        "mark": "sbx_plain",
        "own_namespace": False,
        "home": str(home),
        "epoch": 0,
        "env": {"HOME": str(folder / "state" / "home"), "PATH": "/usr/bin:/bin"},
    }
    control = ControlSockets(folder)
    entrance = control.bind("sbx_plain")
    async with handing_over(folder, entrance) as handing:
        hello |= {"entrance": str(folder / handing.name), "token": handing.token}
        process.stdin.write(sources + frames.frame(1, frames.REQUEST, frames.pack(hello)))
        assert await asyncio.wait_for(process.stdout.read(65536), 20)
    entrance.close()
    process.stdin.close()
    return Started(process, control, home)


@pytest.mark.parametrize("program", interpreters())
async def test_it_runs_on_whatever_python_is_here_and_ends_when_its_folder_goes(program: str, tmp_path: Path) -> None:
    started = await start(program, tmp_path, bundle())
    helper = await started.connect()
    about = await helper.greet()
    assert (about["version"], about["build"], about["busy"]) == (VERSION, build(), False)
    order = CommandOrder("c", "echo hi", 10.0)
    [*_, end] = [frame async for frame in helper.run(order)]
    assert isinstance(end, Exit)
    assert (end.code, end.head) == (0, b"hi\n")
    started.home.unlink()
    await helper.close()
    assert await asyncio.wait_for(started.process.wait(), 30) == 0


async def test_a_helper_that_nobody_comes_back_to_ends_when_its_commands_have(tmp_path: Path) -> None:
    sources = json.loads(bundle()[4:])
    for name, value, short in (("FORSAKEN_SECONDS", "600.0", "2.0"), ("LOOK_SECONDS", "15.0", "0.2")):
        assert f"{name} = {value}" in sources["guest.helper"]
        sources["guest.helper"] = sources["guest.helper"].replace(f"{name} = {value}", f"{name} = {short}")
    text = json.dumps(sources).encode()
    started = await start(sys.executable, tmp_path, len(text).to_bytes(4, "big") + text)
    helper = await started.connect()
    await helper.greet()
    command = "(sleep 1000 &) ; until [ -f go ]; do sleep 0.02; done"
    async with contextlib.aclosing(helper.run(CommandOrder("c", command, 60.0))) as running:
        await anext(running)
    await helper.close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(started.process.wait(), 3)
    (tmp_path / "workspace" / "go").touch()
    assert await asyncio.wait_for(started.process.wait(), 30) == 0
    assert not [pid for pid in processes.table() if (processes.mark_of(pid) or "").startswith("sbx_plain/")]
