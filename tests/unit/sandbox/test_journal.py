"""The helper's durable record of keys."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.sandbox.guest import journal as journals
from services.sandbox.guest.beneath import Beneath
from services.sandbox.guest.edits import Edits
from services.sandbox.guest.frames import Refusal
from services.sandbox.guest.journal import Journal


def test_it_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = Journal(str(path))
    first.start("a", {"cwd": "/x"})
    first.exit("a", {"reason": "EXITED"})
    first.edit("e", {"etag": "1"})
    first.start("b", {"cwd": "/y"})
    again = Journal(str(path))
    assert again.started == {"a": {"cwd": "/x"}, "b": {"cwd": "/y"}}
    assert (again.exits, again.edits) == ({"a": {"reason": "EXITED"}}, {"e": {"etag": "1"}})


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_was_torn_is_dropped_and_spoils_nothing(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    Journal(str(path)).start("whole", {})
    Journal(str(path)).start("torn", {})
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(str(path))
    assert again.started == {"whole": {}}
    again.start("later", {})
    assert [json.loads(line)["started"] for line in path.read_text().splitlines()] == ["whole", "later"]


def grown(path: Path, monkeypatch: pytest.MonkeyPatch, keys: int) -> Journal:
    monkeypatch.setattr(journals, "LIMIT", 2000)
    monkeypatch.setattr(journals, "KEPT", 5)
    journal = Journal(str(path))
    journal._rewrite_at = 2000
    with journal.admitted(7):
        journal.start("running", {"cwd": "/r"})
    for number in range(keys):
        journal.start(f"c{number}", {"cwd": "/x"})
        journal.exit(f"c{number}", {"reason": "EXITED"})
        journal.edit(f"e{number}", {"etag": "1", "lines": 1})
    return journal


def test_a_long_journal_stays_short_and_forgets_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = 400
    first = grown(tmp_path / "journal", monkeypatch, keys)
    assert (tmp_path / "journal").stat().st_size < 2 * 2 * 20 * keys  # the records of a key took 110
    for journal in (first, Journal(str(tmp_path / "journal"))):
        assert journal.epoch == 7
        assert journal.started["running"] == {"cwd": "/r"}
        for number in range(keys):
            assert journal.is_old(f"c{number}") != (f"c{number}" in journal.started)
            assert (f"c{number}" in journal.started) == (f"c{number}" in journal.exits)
            assert journal.is_old(f"e{number}") != (f"e{number}" in journal.edits)
        assert {f"c{keys - 1}", "running"} <= set(journal.started)
        assert len(journal.started) < keys / 2
        assert not journal.is_old("never")


def test_a_journal_that_cannot_be_rewritten_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.new").mkdir()  # no file can be made there
    grown(tmp_path / "journal", monkeypatch, 100)
    again = Journal(str(tmp_path / "journal"))
    assert (len(again.started), len(again.edits)) == (101, 100)


def test_an_edit_of_long_ago_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    journal = grown(tmp_path / "journal", monkeypatch, 100)
    answer, _ = Edits(Beneath(str(workspace)), journal).apply(
        {**edit("create", b"text", overwrite=True)[0], "id": "e0", "epoch": 7}, b"text"
    )
    assert (answer["repeated"], list(workspace.iterdir())) == (True, [])


class Crash(Exception):
    pass


def edit(kind: str, first: bytes, second: bytes = b"", **fields: Any) -> tuple[dict[str, Any], bytes]:
    return {"id": "key", "path": "file", "kind": kind, "split": len(first), **fields}, first + second


@pytest.mark.parametrize("done", [False, True])
def test_an_edit_whose_helper_died_is_done_exactly_once(tmp_path: Path, monkeypatch: Any, done: bool) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "file").write_text("x\n")
    real = Edits._replace

    def crash(self: Edits, name: str, content: bytes) -> None:
        if done:
            real(self, name, content)
        raise Crash

    monkeypatch.setattr(Edits, "_replace", crash)
    with pytest.raises(Crash):
        Edits(Beneath(str(workspace)), Journal(str(tmp_path / "journal"))).apply(*edit("insert", b"x", after_line=0))
    monkeypatch.undo()
    later = Edits(Beneath(str(workspace)), Journal(str(tmp_path / "journal")))
    for expected in (done, True):
        answer, _ = later.apply(*edit("insert", b"x", after_line=0))
        assert (answer["repeated"], answer["lines"]) == (expected, 2)
    assert (workspace / "file").read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("before", "after_line", "text", "after"),
    [
        (b"", 0, b"a", b"a\n"),
        (b"a", 1, b"b\n", b"a\nb\n"),
        (b"a\r\nb\r\n", 1, b"x\n", b"a\r\nx\nb\r\n"),
        (b"a\rb\n", 1, b"c", b"a\rb\nc\n"),
        (b"\n\n", 1, b"m", b"\nm\n\n"),
    ],
)
def test_inserting(tmp_path: Path, before: bytes, after_line: int, text: bytes, after: bytes) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "file").write_bytes(before)
    edits = Edits(Beneath(str(workspace)), Journal(str(tmp_path / "journal")))
    answer, _ = edits.apply(*edit("insert", text, after_line=after_line))
    assert (workspace / "file").read_bytes() == after
    assert answer["lines"] == after.count(b"\n")


def test_an_edit_that_could_not_be_written_may_be_tried_again(tmp_path: Path, monkeypatch: Any) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    edits = Edits(Beneath(str(workspace)), Journal(str(tmp_path / "journal")))

    def full(self: Edits, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Edits, "_replace", full)
    with pytest.raises(Refusal) as refused:
        edits.apply(*edit("create", b"text", overwrite=False))
    assert refused.value.reason == "DISK_FULL"
    monkeypatch.undo()
    answer, _ = edits.apply(*edit("create", b"text", overwrite=False))
    assert (answer["repeated"], (workspace / "file").read_bytes()) == (False, b"text")
