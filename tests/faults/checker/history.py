"""The records and the log as the rules read them."""

import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lucid.sessions.v1.event_pb2 import Event

Line = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """One row of a log. `data`: the bytes that are hashed and sent."""

    seq: int
    key: str
    data: bytes
    event: Event

    @property
    def kind(self) -> str:
        """The payload's name."""
        return self.event.WhichOneof("payload") or ""


@dataclass
class History:
    """`lines`: everything recorded, by kind, in the order of time. `logs`: by session. `rows`: the sessions' rows."""

    lines: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    logs: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, Line] = field(default_factory=dict)

    def operations(self, op: str, kind: str = "end") -> Iterator[Line]:
        """Those of one name that were answered (`end`), refused, or only begun."""
        return (line for line in self.lines[kind] if line["op"] == op)


def read(records: Path, log: Path) -> History:
    """`records`: a folder of JSON lines; `log`: one file of them."""
    history = History()
    lines = [line for path in sorted(records.glob("*.jsonl")) for line in _lines(path)]
    for line in sorted(lines, key=lambda line: float(line["at"])):
        history.lines[line["kind"]].append(line)
    for row in _lines(log):
        if "data" not in row:
            history.rows[row["session"]] = row
            continue
        data = b64decode(row["data"])
        stored = Stored(row["seq"], row["key"] or "", data, Event.FromString(data))
        history.logs[row["session"]].append(stored)
    return history


def _lines(path: Path) -> Iterator[Line]:
    for text in path.read_text().splitlines():
        # A process that was killed may have left half a line.
        if text.endswith("}"):
            yield json.loads(text)
