"""Lines of JSON about what happened, each written at once: what a killed process wrote is kept."""

import json
import os
import time
from pathlib import Path
from typing import Any


class Records:
    """One file of one process. Every line has `at`, seconds since 1970, and the fields given here.

    The file is opened for each line: its folder may be a link that leads to another one for the next case.
    """

    def __init__(self, path: Path, **always: Any) -> None:
        self._path = path
        self._always = always

    def write(self, kind: str, **fields: Any) -> None:
        """Adds a line."""
        line = json.dumps({"kind": kind, "at": time.time(), **self._always, **fields}, separators=(",", ":"))
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line.encode() + b"\n")
        finally:
            os.close(file)
