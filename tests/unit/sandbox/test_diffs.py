"""Reading git's diff output."""

import io

import pytest

from services.sandbox.guest import diffs

RAW = (
    b":100644 100755 1111111 1111111 M\0mode\0:100644 120000 2222222 3333333 T\0typed\0"
    b":100644 100644 4444444 5555555 R090\0old name\0new\tname\0:000000 100644 0000000 6666666 A\0b\xffad\0"
)
NUMSTAT = b"0\t0\tmode\0001\t1\ttyped\0003\t2\t\0old name\0new\tname\0-\t-\tb\xffad\0"


def told(*output: bytes, limit: int = diffs.MAX_CHANGES) -> diffs.Changes:
    return diffs.Changes(io.BufferedReader(io.BytesIO(b"".join(output))), limit)  # type: ignore[arg-type]


def test_the_list_of_changes() -> None:
    changes = told(RAW, NUMSTAT)
    assert [(c["path"], c["kind"], c["added"], c["removed"], c["binary"], c["old_path"]) for c in changes.first] == [
        ("mode", "MODE", 0, 0, False, ""),
        ("typed", "MODIFIED", 1, 1, False, ""),
        ("new\tname", "RENAMED", 3, 2, False, "old name"),
        ("b\\xffad", "ADDED", 0, 0, True, ""),
    ]
    assert [c.get("raw_path") for c in changes.first] == [None, None, None, b"b\xffad".hex()]
    assert changes.totals == {"files": 4, "added": 4, "removed": 3}


def test_what_is_beyond_the_limit_counts_all_the_same() -> None:
    changes = told(RAW, NUMSTAT, b"\0", b"diff --git a/mode b/mode\n", limit=1)
    assert [c["diff"] for c in changes.first] == ["diff --git a/mode b/mode\n"]
    assert changes.totals == {"files": 4, "added": 4, "removed": 3}


def test_output_that_breaks_off_is_not_taken_for_the_whole() -> None:
    with pytest.raises(ValueError, match="unpack"):
        told(RAW, NUMSTAT[:3] + b"\0")


def test_two_or_three_programs_tell_in_step() -> None:
    patch = b"diff --git a/m b/m\ndiff --git a/t b/t\n-x\ndiff --git a/t b/t\n+y\ndiff --git a/n b/n\n"
    ways = [io.BufferedReader(io.BytesIO(data)) for data in (RAW, NUMSTAT, patch)]  # type: ignore[arg-type]
    found = list(diffs.together(*ways))
    assert found[:3] == [{**change, "diff": found[n]["diff"]} for n, change in enumerate(told(RAW, NUMSTAT).first[:3])]
    assert [c["diff"].count("diff --git") for c in found] == [1, 2, 1, 0]


def test_patches_go_to_their_changes_also_where_the_content_looks_like_a_header() -> None:
    tricky = b"diff --git a/n b/n\n@@ -1 +1 @@\n-diff --git a/x b/x\n+diff --git a/y b/y\n"
    parts = [b"diff --git a/mode b/mode\n", b"diff --git a/t b/t\n-x\n", b"diff --git a/t b/t\n+y\n", tricky]
    changes = told(RAW, NUMSTAT, b"\0", *parts).first
    assert [c["diff"].encode() for c in changes] == [parts[0], parts[1] + parts[2], tricky, b""]


def test_a_long_line_does_not_begin_a_new_part() -> None:
    line = b"+" + b"x" * (diffs.LINE - 1) + b"diff --git in the middle of a line\n"
    changes = told(RAW, NUMSTAT, b"\0", b"diff --git a/mode b/mode\n", line, limit=1).first
    assert changes[0]["diff"].encode().endswith(line)


def test_patches_are_cut_at_a_line_and_at_their_sum() -> None:
    wanted = diffs.MAX_PATCHES // diffs.MAX_PATCH + 2
    raw = b"".join(b":100644 100644 1 2 M\0f%d\0" % n for n in range(wanted))
    one = b"diff --git a/f b/f\n" + b"+0123456789\n" * 30_000
    changes = told(raw, b"".join(b"9\t0\tf%d\0" % n for n in range(wanted)), b"\0", one * wanted).first
    sizes = [len(change["diff"]) for change in changes]
    assert all(change["truncated"] and change["diff"][-1:] in ("\n", "") for change in changes)
    assert max(sizes) <= diffs.MAX_PATCH
    assert sum(sizes) <= diffs.MAX_PATCHES
    assert sizes[-1] == 0
