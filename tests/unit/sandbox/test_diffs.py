"""Reading git's diff output."""

import io

from services.sandbox.guest import diffs

RAW = (
    b":100644 100755 1111111 1111111 M\0mode\0:100644 120000 2222222 3333333 T\0typed\0"
    b":100644 100644 4444444 5555555 R090\0old name\0new\tname\0:000000 100644 0000000 6666666 A\0b\xffad\0"
)
NUMSTAT = b"0\t0\tmode\0001\t1\ttyped\0003\t2\t\0old name\0new\tname\0-\t-\tb\xffad\0"


def test_the_list_of_changes() -> None:
    changes, truncated = diffs.listed(RAW + NUMSTAT)
    assert not truncated
    assert [(c["path"], c["kind"], c["added"], c["removed"], c["binary"], c["old_path"]) for c in changes] == [
        ("mode", "MODE", 0, 0, False, ""),
        ("typed", "MODIFIED", 1, 1, False, ""),
        ("new\tname", "RENAMED", 3, 2, False, "old name"),
        ("b�ad", "ADDED", 0, 0, True, ""),
    ]


def test_patches_go_to_their_changes_also_where_the_content_looks_like_a_header() -> None:
    changes, _ = diffs.listed(RAW + NUMSTAT)
    tricky = b"diff --git a/n b/n\n@@ -1 +1 @@\n-diff --git a/x b/x\n+diff --git a/y b/y\n"
    parts = [b"diff --git a/mode b/mode\n", b"diff --git a/t b/t\n-x\n", b"diff --git a/t b/t\n+y\n", tricky]
    diffs.add_patches(io.BytesIO(b"".join(parts)), changes)
    assert [c["diff"].encode() for c in changes] == [parts[0], parts[1] + parts[2], tricky, b""]


def test_a_long_line_does_not_begin_a_new_part() -> None:
    changes = diffs.listed(RAW + NUMSTAT)[0][:1]
    line = b"+" + b"x" * (diffs.LINE - 1) + b"diff --git in the middle of a line\n"
    diffs.add_patches(io.BytesIO(b"diff --git a/mode b/mode\n" + line), changes)
    assert changes[0]["diff"].encode().endswith(line)


def test_patches_are_cut_at_a_line_and_at_their_sum() -> None:
    wanted = diffs.MAX_PATCHES // diffs.MAX_PATCH + 2
    raw = b"".join(b":100644 100644 1 2 M\0f%d\0" % n for n in range(wanted))
    changes, _ = diffs.listed(raw + b"".join(b"9\t0\tf%d\0" % n for n in range(wanted)))
    one = b"diff --git a/f b/f\n" + b"+0123456789\n" * 30_000
    diffs.add_patches(io.BytesIO(one * wanted), changes)
    sizes = [len(change["diff"]) for change in changes]
    assert all(change["truncated"] and change["diff"][-1:] in ("\n", "") for change in changes)
    assert max(sizes) <= diffs.MAX_PATCH
    assert sum(sizes) <= diffs.MAX_PATCHES
    assert sizes[-1] == 0
