"""Shadow repositories stay small: what is let go, and what never is."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from services.sandbox.guest import pruning
from services.sandbox.guest.frames import Refusal
from services.sandbox.guest.heads import Head
from services.sandbox.guest.recorded import Recorded
from services.sandbox.guest.restoring import entries_between, restore
from services.sandbox.guest.shadow import Shadow
from services.sandbox.guest.shadow_git import Git


class Ended:
    """A process of this test, in the helper's words."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.pid = process.pid

    def wait(self) -> int:
        return self._process.wait() << 8

    def kill(self) -> None:
        self._process.kill()


class Starter:
    """Starts programs as the reaper does, and leaves pytest's own children alone."""

    def spawn(self, argv: list[str], env: dict[str, str], cwd: str, stdout: int, stderr: int, stdin: int) -> Ended:
        return Ended(subprocess.Popen(argv, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr))


@pytest.fixture
def shadow(tmp_path: Path) -> Shadow:
    (tmp_path / "work").mkdir()
    return Shadow(Git(Starter(), "mark/"), str(tmp_path / "work"), str(tmp_path / "shadow"))  # type: ignore[arg-type]


@pytest.fixture
def record(shadow: Shadow) -> Callable[[str, str], str]:
    recorded = Recorded(shadow.folder)

    def one(content: str, label: str = "") -> str:
        (Path(shadow.root) / "file").write_text(content)
        head = shadow.follow_head()
        tree = shadow.record()
        recorded.add(tree, head, label)
        return tree

    return one


def noise(number: int) -> str:
    """200 kB that cannot be compressed much."""
    return random.Random(number).randbytes(100_000).hex() + f"\n{number}\n"


def test_many_small_objects_become_one_pack_and_nothing_is_lost(
    shadow: Shadow, record: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST_LOOSE", 10)
    trees = [record(f"{number}\n", "") for number in range(12)]
    pruning.tidy(shadow, Recorded(shadow.folder))
    size = pruning.size_of(shadow.folder)
    assert (size.loose, size.packs) == (0, 1)
    assert all(shadow.has(tree) for tree in trees)
    assert record("11\n", "") == trees[-1]


def test_the_oldest_go_but_not_the_first_the_base_and_the_last(
    shadow: Shadow, record: Callable[[str, str], str]
) -> None:
    trees = [record(noise(number), "base" if number == 3 else "") for number in range(12)]
    recorded = Recorded(shadow.folder)
    pruning.tidy(shadow, recorded, limit=900_000)
    assert pruning.size_of(shadow.folder).total <= 900_000
    kept = [record["kept"] for record in Recorded(shadow.folder).records]
    assert [shadow.has(tree) for tree in trees] == kept
    assert kept[0]
    assert kept[3]
    assert kept[10:] == [True, True]
    assert kept[1:3] == [False, False]
    with pytest.raises(Refusal, match="let go"):
        entries_between(shadow, trees[-1], trees[1])
    restore(shadow, entries_between(shadow, trees[-1], trees[3]), trees[-1], trees[3])
    assert (Path(shadow.root) / "file").read_text().endswith("3\n")


def test_where_nothing_can_go_it_stays(shadow: Shadow, record: Callable[[str, str], str]) -> None:
    trees = [record(noise(number), "") for number in range(3)]
    pruning.tidy(shadow, Recorded(shadow.folder), limit=1)
    assert [shadow.has(tree) for tree in trees] == [True, False, True]


def test_the_list_survives_a_torn_line_and_forgets_what_is_very_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sandbox.guest.recorded.MOST", 20)
    head = Head("c" * 40, "refs/heads/m", {"refs/heads/m": "c" * 40})
    recorded = Recorded(str(tmp_path))
    for number in range(30):
        recorded.add(f"{number:040x}", head)
    with (tmp_path / "snapshots").open("a") as file:
        file.write('{"number": 31, "tr')
    again = Recorded(str(tmp_path))
    assert again.records == recorded.records
    assert len(again.records) <= 22
    assert [again.records[0]["number"], again.records[-1]["number"]] == [1, 30]
    assert (tmp_path / "snapshots").read_text().count("branches") == 1
