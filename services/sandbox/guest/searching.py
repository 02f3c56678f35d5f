"""The program that searches: a process of its own, since a pattern may take for ever and a process can be killed.

It is given one request on standard input, and prints one line of JSON for each file that matches, and one at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import stat
import sys
from collections.abc import Iterator
from typing import Any

from .beneath import RESOLVE_NO_SYMLINKS, Beneath
from .names import shown
from .tree import Entry, Rule, walk

MAX_FILE = 8 * 1024 * 1024
MAX_WALKED = 1_000_000
TEXT = 300
BEFORE = 100
CPU_SECONDS = 40
MEMORY = 1024 * 1024 * 1024


def main() -> None:
    """The entry point."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("900")
    request = json.loads(sys.stdin.readline())
    try:
        search = Search(request)
    except (re.error, RecursionError, OverflowError) as error:
        _say({"bad": str(error)})
        return
    for found in search.run():
        _say({"found": found})
    _say({"files": search.files, "skipped": search.skipped})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Search:
    """One search. Raises re.error for a pattern that is none."""

    def __init__(self, request: dict[str, Any]) -> None:
        flags = re.IGNORECASE if request["ignore_case"] else 0
        query = request["query"]
        self._pattern = re.compile(query if request["regex"] else re.escape(query), flags)
        self._sought = b"" if request["regex"] or request["ignore_case"] else query.encode("utf-8", "surrogateescape")
        self._names = request["names"]
        globs = request["globs"]
        self._wanted = [glob(text) for text in globs if not text.startswith("!")]
        self._unwanted = [glob(text[1:]) for text in globs if text.startswith("!")]
        self._workspace = Beneath(request["root"])
        self._top = request["top"]
        self._prefix = request["prefix"]
        self._only = request["only"]
        self._rule = Rule(hidden=request["hidden"])
        self.files = 0
        self.skipped = 0

    def run(self) -> Iterator[list[list[Any]]]:
        """The matches of each file that has any: path, line, text, begin, end."""
        for entry in self._entries():
            below = entry.path[len(self._top) :].lstrip("/")
            if not self._is_wanted(below, entry.is_folder):
                continue
            path = shown(f"{self._prefix}/{below}" if self._prefix else below)
            if self._names:
                self.files += 1
                match = self._pattern.search(shown(below))
                if match is not None:
                    start = len(path) - len(shown(below))
                    yield [[path, 0, *_around(path, match.start() + start, match.end() + start)]]
            elif not entry.is_folder and not entry.is_link:
                found = [[path, *match] for match in self._lines(entry.path)]
                if found:
                    yield found

    def _entries(self) -> Iterator[Entry]:
        if self._only:
            return iter([Entry(self._only, False, False, False, 1)])
        return walk(self._workspace, self._top, self._rule, MAX_WALKED)

    def _is_wanted(self, path: str, is_folder: bool) -> bool:
        if any(pattern.match(path) for pattern in self._unwanted):
            return False
        if not self._wanted:
            return True
        return not (is_folder and not self._names) and any(pattern.match(path) for pattern in self._wanted)

    def _lines(self, path: str) -> Iterator[list[Any]]:
        data = self._content(path)
        if data is None:
            self.skipped += 1
            return
        self.files += 1
        if self._sought and self._sought not in data:
            return
        for number, line in enumerate(data.split(b"\n"), 1):
            if self._sought and self._sought not in line:
                continue
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            match = self._pattern.search(text)
            if match is not None:
                yield [number, *_around(text, match.start(), match.end())]

    def _content(self, path: str) -> bytes | None:
        """A text file's bytes; None for one that is none, or cannot be read."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
        try:
            fd = self._workspace.open(path, flags, resolve=RESOLVE_NO_SYMLINKS)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE:
                return None
            try:
                data = file.read(MAX_FILE)
            except OSError:
                return None
        return None if b"\0" in data[:8000] else data


def _around(text: str, begin: int, end: int) -> list[Any]:
    """The part of a line that is shown, and where the match is in it."""
    first = max(0, begin - BEFORE) if len(text) > TEXT else 0
    kept = text[first : first + TEXT]
    return [kept, begin - first, min(end - first, len(kept))]


def glob(text: str) -> re.Pattern[str]:
    """`*` and `?` within a name, `**` over folders, `[…]`; without a `/` the last name alone is compared."""
    parts = [] if "/" in text.rstrip("/") else ["(?:.*/)?"]
    text, at = text.strip("/"), 0
    while at < len(text):
        if text.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif text.startswith("**", at):
            parts.append(".*")
            at += 2
        else:
            end = text.find("]", at + 2) + 1 if text[at] == "[" else 0
            parts.append(
                _class(text[at:end]) if end else {"*": "[^/]*", "?": "[^/]"}.get(text[at], re.escape(text[at]))
            )
            at = end or at + 1
    return re.compile("".join(parts) + "(?:/.*)?$", re.DOTALL)


def _class(text: str) -> str:
    inner = text[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    return "[^" + inner[1:].replace("^", "\\^") + "]" if inner[:1] in "!^" else f"[{inner}]"
