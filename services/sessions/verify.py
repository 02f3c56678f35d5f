"""Checks an exported session offline: `python -m services.sessions.verify FILE` (`-` reads standard input).

Prints one line. Exits with 0 if the file is whole and unchanged as far as its hashes can tell (export.py says how far
that is), with 1 if not, with 2 if it cannot be read.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from services.sessions.export import BadExport, checked

USAGE = "usage: python -m services.sessions.verify FILE (or - for standard input)"


def main(arguments: list[str]) -> int:
    """The command."""
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)  # noqa: T201
        return 2
    try:
        with _opened(arguments[0]) as file:
            print(verify(file))  # noqa: T201
    except BadExport as error:
        print(f"BAD {error}")  # noqa: T201
        return 1
    except OSError as error:
        print(f"cannot read {arguments[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def verify(lines: Iterable[bytes]) -> str:
    """What is said of a good file. Raises BadExport."""
    found = checked(lines)
    header, _ = next(found)
    count = sum(1 for _ in found)
    return f"OK {header['session_id']}: {count} events, the chain of hashes is whole"


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
