"""What an edit changed, line by line. Always fast: a large rewrite is told as a whole."""

from __future__ import annotations

import difflib
import re
from typing import Any

CONTEXT = 3
MAX_COMPARED = 1000  # lines, old and new together
MAX_DIFF = 64 * 1024
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
NOTHING = {"diff": "", "added": 0, "removed": 0, "binary": False, "diff_truncated": False}


def difference(path: str, old: bytes | None, new: bytes) -> dict[str, Any]:
    """The unified diff of two contents with its counts; `old` None = the file was not there."""
    before = old or b""
    if before == new and old is not None:
        return dict(NOTHING)
    if b"\0" in before[:8000] or b"\0" in new[:8000]:
        return {**NOTHING, "binary": True}
    a, b = _LINES.findall(before), _LINES.findall(new)
    regions = _regions(a, b)
    head = [b"--- " + (b"/dev/null" if old is None else b"a/" + path.encode()), b"\n+++ b/" + path.encode(), b"\n"]
    text = b"".join([*head, *(part for hunk in _hunks(regions) for part in _printed(hunk, a, b))])
    is_cut = len(text) > MAX_DIFF
    if is_cut:
        text = text[: text.rfind(b"\n", 0, MAX_DIFF) + 1]
    return {
        "diff": text.decode("utf-8", "replace"),
        "added": sum(region[3] - region[2] for region in regions),
        "removed": sum(region[1] - region[0] for region in regions),
        "binary": False,
        "diff_truncated": is_cut,
    }


def _regions(a: list[bytes], b: list[bytes]) -> list[tuple[int, int, int, int]]:
    """Where the texts differ. What they have in common at both ends is not compared line with line."""
    shorter = min(len(a), len(b))
    first = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    last = next((i for i in range(shorter - first) if a[-1 - i] != b[-1 - i]), shorter - first)
    middle = a[first : len(a) - last], b[first : len(b) - last]
    if not middle[0] and not middle[1]:
        return []
    if len(middle[0]) + len(middle[1]) > MAX_COMPARED:
        return [(first, len(a) - last, first, len(b) - last)]
    codes = difflib.SequenceMatcher(None, middle[0], middle[1], autojunk=False).get_opcodes()
    return [(first + i, first + to_i, first + j, first + to_j) for tag, i, to_i, j, to_j in codes if tag != "equal"]


def _hunks(regions: list[tuple[int, int, int, int]]) -> list[list[tuple[int, int, int, int]]]:
    """Regions so near to each other that they share their context."""
    hunks: list[list[tuple[int, int, int, int]]] = []
    for region in regions:
        if hunks and region[0] - hunks[-1][-1][1] <= 2 * CONTEXT:
            hunks[-1].append(region)
        else:
            hunks.append([region])
    return hunks


def _printed(hunk: list[tuple[int, int, int, int]], a: list[bytes], b: list[bytes]) -> list[bytes]:
    begin, new_begin = max(0, hunk[0][0] - CONTEXT), max(0, hunk[0][2] - min(CONTEXT, hunk[0][0]))
    end, new_end = min(len(a), hunk[-1][1] + CONTEXT), min(len(b), hunk[-1][3] + CONTEXT)
    parts = [f"@@ -{_range(begin, end)} +{_range(new_begin, new_end)} @@\n".encode()]
    at = begin
    for from_old, to_old, from_new, to_new in hunk:
        parts += [_line(b" ", line) for line in a[at:from_old]]
        parts += [_line(b"-", line) for line in a[from_old:to_old]]
        parts += [_line(b"+", line) for line in b[from_new:to_new]]
        at = to_old
    return parts + [_line(b" ", line) for line in a[at:end]]


def _range(begin: int, end: int) -> str:
    return f"{begin + 1 if end > begin else begin},{end - begin}"


def _line(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + b"\n\\ No newline at end of file\n"
