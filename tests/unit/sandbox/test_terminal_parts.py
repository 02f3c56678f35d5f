"""The parts of the guest that need no sandbox: the ring of a terminal, the way in, a start that is taken back."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.sandbox.guest import terminal
from services.sandbox.guest.following import CHUNK
from services.sandbox.guest.frames import Refusal
from services.sandbox.guest.inlet import MAX_WRITERS, Inlet
from services.sandbox.guest.journal import Journal
from services.sandbox.guest.launching import Crowded, launch
from services.sandbox.guest.reaper import Reaper
from services.sandbox.guest.terminal import KEPT, Ring


@pytest.mark.parametrize("step", [1000, CHUNK, KEPT])
def test_the_ring_keeps_the_last(step: int) -> None:
    ring, whole = Ring(), os.urandom(KEPT * 3)
    for at in range(0, len(whole), step):
        ring.append(whole[at : at + step])
    assert ring.total == len(whole)
    offset, data = ring.read(0, len(whole), ring.total)
    assert KEPT <= len(data) <= KEPT + CHUNK + step
    assert (data, offset + len(data)) == (whole[offset:], len(whole))
    assert ring.read(len(whole) - 10, 4, ring.total) == (len(whole) - 10, whole[-10:-6])
    assert ring.read(len(whole), 4, ring.total) == (len(whole), b"")
    assert ring.read(len(whole) - 10, 99, len(whole) - 5) == (len(whole) - 10, whole[-10:-5])


@pytest.fixture
def pipe() -> tuple[int, Inlet]:
    read_end, write_end = os.pipe()
    return read_end, Inlet(write_end)


def test_writers_count_each_their_own(pipe: tuple[int, Inlet]) -> None:
    read_end, inlet = pipe
    assert [inlet.write("a", 0, b"one"), inlet.write("b", 0, b"two"), inlet.write("a", 1, b"ne!")] == [3, 3, 4]
    assert os.read(read_end, 100) == b"onetwo!"
    with pytest.raises(Refusal, match="3 bytes have come"):
        inlet.write("b", 4, b"x")
    for number in range(MAX_WRITERS):
        inlet.write(f"w{number}", 0, b"x")
    with pytest.raises(Refusal, match="0 bytes have come"):
        inlet.write("a", 4, b"x")


@pytest.mark.parametrize("how", ["closed", "nobody reads"])
def test_no_input_is_taken(pipe: tuple[int, Inlet], how: str) -> None:
    read_end, inlet = pipe
    if how == "closed":
        inlet.close()
        inlet.close()
    os.close(read_end)
    with pytest.raises(Refusal) as refused:
        inlet.write("", 0, b"x")
    assert refused.value.reason == "INPUT_CLOSED"


def test_what_does_not_fit_waits(pipe: tuple[int, Inlet], monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, inlet = pipe
    monkeypatch.setattr("services.sandbox.guest.inlet.ROOM_SECONDS", 0.01)
    taken = inlet.write("", 0, b"x" * 1_000_000)
    assert 0 < taken < 1_000_000
    assert inlet.write("", taken, b"x") == taken
    os.read(read_end, 65536)
    assert inlet.write("", taken - 5, b"x" * 10) == taken + 5


def test_a_start_that_is_taken_back_is_none(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    journal.start("kept", {"cwd": "/"})
    journal.start("back", {"cwd": "/"})
    journal.withdraw("back")
    assert set(journal.started) == set(Journal(str(tmp_path / "journal")).started) == {"kept"}
    journal.start("back", {"cwd": "/again"})
    assert Journal(str(tmp_path / "journal")).started["back"] == {"cwd": "/again"}


def test_without_room_for_a_process_nothing_is_started(tmp_path: Path) -> None:
    """In a process of its own, whose user may have no more processes than there are."""
    program = f"""
import os, resource, sys
sys.path.insert(0, {str(Path(terminal.__file__).parents[3])!r})
from services.sandbox.guest.command import Command, Terms
from services.sandbox.guest.launching import Crowded, launch
from services.sandbox.guest.reaper import Reaper
from services.sandbox.guest.shell import Shell
os.makedirs({str(tmp_path)!r} + "/commands/key")
os.chmod({str(tmp_path)!r}, 0o777)
command = Command("key", {str(tmp_path)!r} + "/commands/key", Terms("/"))
if os.geteuid() == 0:  # root may have as many as it likes
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    launch(command, Shell("/", {str(tmp_path)!r}, {{}}), Reaper(), "m/", False, print)
except Crowded:
    print("crowded", command.child)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("crowded None\n", "")


def test_what_cannot_be_started_at_all_is_told(tmp_path: Path) -> None:
    shell = SimpleNamespace(argv=lambda *_: ["/nonexistent"], environ=lambda _: {}, workspace="/")
    command = SimpleNamespace(key="k", cwd="/", wake=lambda: None, child=None)
    with pytest.raises(FileNotFoundError):
        launch(command, shell, Reaper(), "m/", True, print)  # type: ignore[arg-type]
    assert not issubclass(FileNotFoundError, Crowded)
