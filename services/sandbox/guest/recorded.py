"""The list of the trees that were recorded of one folder: a file of JSON lines beside the shadow repository."""
# ruff: noqa: PTH105, PTH118, PTH123

from __future__ import annotations

import json
import os
import time
from typing import Any

from .heads import Head

MOST = 5000
PAGE = 200
DEFAULT_PAGE = 50
PAGE_CHARACTERS = 1 << 20
BASE = "base"


class Recorded:
    """`records`, oldest first. Branches are written only where they differ from those of the record before."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "snapshots")
        self.records: list[dict[str, Any]] = []
        self._load()

    def add(self, tree: str, head: Head, label: str = "") -> None:
        """A tree as it was found now; nothing where the last one was the same."""
        last = self.records[-1] if self.records else None
        is_same = last and (last["tree"], last["head"], last["ref"]) == (tree, head.commit, head.ref)
        if last and is_same and label in ("", last["label"]):
            return
        record = {
            "number": last["number"] + 1 if last else 1,
            "tree": tree,
            "time": time.time(),
            "head": head.commit,
            "ref": head.ref,
            "branches": head.branches,
            "label": label,
            "kept": True,
        }
        self.records.append(record)
        if len(self.records) > MOST + MOST // 10:
            del self.records[1 : len(self.records) - MOST + 1]
            self.write()
            return
        self._share(len(self.records) - 1)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(self._line(len(self.records) - 1))

    def page(self, size: int, before: int) -> dict[str, Any]:
        """The newest first, with numbers below `before` (0 = all). `next`: below what to go on; 0 at the end."""
        found: list[dict[str, Any]] = []
        room = PAGE_CHARACTERS
        for record in reversed(self.records):
            if before and record["number"] >= before:
                continue
            room -= len(json.dumps(record))
            if found and (len(found) == min(size or DEFAULT_PAGE, PAGE) or room < 0):
                return {"snapshots": found, "next": found[-1]["number"]}
            found.append(record)
        return {"snapshots": found, "next": 0}

    def droppable(self) -> list[dict[str, Any]]:
        """Kept ones that may go, oldest first: not the first, the last, or what is labelled as a base."""
        stay = {record["tree"] for record in (*self.records[:1], *self.records[-1:])}
        stay |= {record["tree"] for record in self.records if record["label"] == BASE}
        return [record for record in self.records if record["kept"] and record["tree"] not in stay]

    def trees(self) -> list[str]:
        """All that are kept."""
        return list(dict.fromkeys(record["tree"] for record in self.records if record["kept"]))

    def drop(self, trees: set[str]) -> None:
        """They are let go."""
        for record in self.records:
            record["kept"] = record["kept"] and record["tree"] not in trees
        self.write()

    def write(self) -> None:
        """The whole list anew."""
        unfinished = self._path + ".new"
        with open(unfinished, "w", encoding="utf-8") as file:
            file.writelines(self._line(place) for place in range(len(self.records)))
        os.replace(unfinished, self._path)

    def _line(self, place: int) -> str:
        record = self.records[place]
        same = place > 0 and self.records[place - 1]["branches"] == record["branches"]
        return json.dumps({name: value for name, value in record.items() if not same or name != "branches"}) + "\n"

    def _share(self, place: int) -> None:
        """What is the same is there once."""
        if place > 0 and self.records[place - 1]["branches"] == self.records[place].get("branches", None):
            self.records[place]["branches"] = self.records[place - 1]["branches"]

    def _load(self) -> None:
        try:
            with open(self._path, encoding="utf-8") as file:
                lines = file.readlines()
        except OSError:
            return
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:  # the last writer died in the middle of it
                continue
            record.setdefault("branches", self.records[-1]["branches"] if self.records else {})
            self.records.append(record)
