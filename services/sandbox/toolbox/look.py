"""Looks at an image from inside, before the first sandbox of it: does /bin/sh run, and whom does it know?

Run by the toolbox's python; prints one line of JSON.
"""
# ruff: noqa: PTH123

from __future__ import annotations

import json
import subprocess

LIMIT = 1 << 20


def text(path: str) -> str:
    """The file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(LIMIT)
    except OSError:
        return ""


def complaint() -> str:
    """Why /bin/sh does not run; empty if it does."""
    try:
        ended = subprocess.run(["/bin/sh", "-c", "exit 0"], stdin=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return getattr(error, "strerror", None) or str(error)
    return "" if ended.returncode == 0 else f"it ends with {ended.returncode}"


print(json.dumps({"shell": complaint(), "passwd": text("/etc/passwd"), "group": text("/etc/group")}))
