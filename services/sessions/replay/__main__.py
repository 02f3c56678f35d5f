"""Replays an exported session offline: `python -m services.sessions.replay FILE` (`-` reads standard input).

The real agent works once more, on a store that is thrown away: the model gives the recorded answers, commands print the
recorded output, files change as recorded, persons do at the recorded places what they did. The new log is compared with
the recorded one, but for ids, times, durations and hashes. Prints one line, the first difference if there is one. Exits
with 0 if there is none, with 1 if there is, with 2 if the file is no whole export.

Not replayed, because the log does not hold it: the moment within an answer at which a person came; the whole of a file
of which the log keeps a part, and so the preview of an edit; limits of time, and questions that lapsed; what the
installation was set to where the session met no limit; a .lucid/config.toml that could not be heeded, or changed in the
session. Titles made by a model and changes of the owner are left out.
"""

import asyncio
import logging
import sys
from pathlib import Path

from services.sessions.export import BadExport
from services.sessions.replay.play import Replay
from services.sessions.replay.recording import Recording, read

USAGE = "usage: python -m services.sessions.replay FILE (or - for standard input)"


def main(arguments: list[str]) -> int:
    """The command."""
    if len(arguments) != 1:
        return _said(USAGE, 2)
    try:
        recording = _recording(arguments[0])
    except BadExport as error:
        return _said(f"BAD {error}", 2)
    except OSError as error:
        return _said(f"cannot read {arguments[0]}: {error.strerror}", 2)
    # What the agent logs belongs to the service; here the difference says it.
    logging.disable(logging.CRITICAL)
    found = asyncio.run(Replay(recording).run())
    count = f"{len(recording.events)} events"
    if recording.left_out:
        count += f" ({recording.left_out} more not compared: a model's title)"
    session_id = recording.header["session_id"]
    return _said(f"DIFFERS {session_id}: {found}", 1) if found else _said(f"SAME {session_id}: {count}", 0)


def _recording(name: str) -> Recording:
    if name == "-":
        return read(sys.stdin.buffer)
    with Path(name).open("rb") as file:
        return read(file)


def _said(words: str, code: int) -> int:
    print(words, file=sys.stderr if code == 2 else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
