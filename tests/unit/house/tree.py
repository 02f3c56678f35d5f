"""The files of this checkout that people wrote."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOREIGN = ("protos/third_party/", "gen/")


@cache
def written() -> tuple[str, ...]:
    """Paths that git tracks or would track, without third parties' files."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return tuple(path for path in listed if not path.startswith(FOREIGN) and (ROOT / path).is_file())


def code(*endings: str) -> list[str]:
    """The written files with these endings."""
    return [path for path in written() if path.endswith(endings)]


def read(path: str) -> str:
    """The text of one of them; bytes that are not text are replaced."""
    return (ROOT / path).read_text(errors="replace")
