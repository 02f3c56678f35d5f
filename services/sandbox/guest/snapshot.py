"""Snapshots of folders of the workspace: records trees in shadow repositories, compares them, goes back to them."""
# ruff: noqa: PTH115, PTH118

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

from . import diffs, pruning
from .beneath import Beneath
from .comparing import code_of, compared, written
from .connection import Connection
from .flow import Flow, Gone
from .following import Follower
from .frames import Refusal, pack
from .heads import Head
from .journal import Journal
from .reaper import Reaper
from .recorded import Recorded
from .restoring import entries_between, restore
from .shadow import Shadow
from .shadow_git import Git

MOST_LEFT = 100
TIDY_EVERY = 16
BATCH = 512 * 1024
CHUNK = 64 * 1024
STREAM_SECONDS = 3600.0
PATCH = ("diff-tree", "--no-ext-diff", "--no-textconv", "-r", "-M", "-p", "--binary", "--full-index")


class _Known:
    """A folder's shadow and its list."""

    def __init__(self, shadow: Shadow) -> None:
        self.shadow = shadow
        self.recorded = Recorded(shadow.folder)
        self.until_tidy = 0


class Snapshots:
    """One call at a time records or restores; trees are compared beside it."""

    def __init__(self, workspace: Beneath, state: str, reaper: Reaper, mark: str, journal: Journal) -> None:
        self._workspace = workspace
        self._state = state
        self._git = Git(reaper, mark)
        self._journal = journal
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self.limit = pruning.LIMIT

    def create(self, request: dict[str, Any], _blob: bytes) -> tuple[dict[str, Any], bytes]:
        """The tree now, and the changes since an earlier tree and since a base."""
        with self._journal.admitted(request.get("epoch", 0)):
            pass
        with self._lock:
            known = self._open(request["path"])
            head = known.shadow.follow_head()
            known.shadow.stage()
            tree, changes, base = written(known.shadow, request["since"], request.get("base", ""))
            known.recorded.add(tree, head, request.get("label", ""))
            answer = {"tree": tree, "head": head.commit, "truncated": False, "changes": [], **base}
            if changes is not None:
                answer |= {"changes": changes.first, "truncated": changes.files > len(changes.first)}
            self._tidy_later(known)
            return answer, b""

    def listed(self, request: dict[str, Any], _blob: bytes) -> tuple[dict[str, Any], bytes]:
        """A page of what was recorded."""
        with self._lock:
            return self._open(request["path"]).recorded.page(request["size"], request["before"]), b""

    def restore(self, request: dict[str, Any], _blob: bytes) -> tuple[dict[str, Any], bytes]:
        """Makes the files those of a tree, or tells what was done before under the same key."""
        key = "restore:" + request["id"]
        with self._journal.admitted(request.get("epoch", 0)), self._lock:
            known = self._open(request["path"])
            if self._journal.is_old(key):
                return _nothing(request["tree"]), b""
            earlier = self._journal.edits.get(key, {})
            head = known.shadow.follow_head()
            if not earlier.get("after"):
                earlier = self._restore(known, head, key, request["tree"], earlier.get("before", ""))
                return self._restored(known, head, earlier, repeated=False), b""
            return self._restored(known, head, earlier, repeated=True), b""

    def _restore(self, known: _Known, head: Head, key: str, tree: str, before: str) -> dict[str, Any]:
        """`before`: the tree that an earlier try, which did not come to its end, has found."""
        shadow = known.shadow
        now = shadow.record()
        known.recorded.add(now, head)
        entries = entries_between(shadow, now, tree)
        record: dict[str, Any] = {"before": before or now, "after": ""}
        self._journal.edit(key, record)
        after = tree if restore(shadow, entries, now, tree) else shadow.record()
        known.recorded.add(after, head)
        left = [] if after == tree else entries_between(shadow, after, tree)
        record = {**record, "after": after, "left": [diffs.shown(entry.path) for entry in left[:MOST_LEFT]]}
        self._journal.edit(key, record)
        return record

    def _restored(self, known: _Known, head: Head, record: dict[str, Any], repeated: bool) -> dict[str, Any]:
        before, after = record["before"], record["after"]
        answer = {"before": before, "tree": after, "head": head.commit, "left": record["left"], "repeated": repeated}
        if before == after or (repeated and not (known.shadow.has(before) and known.shadow.has(after))):
            return {**_nothing(after), **answer}
        changes = compared(known.shadow, before, after)
        return {**answer, "changes": changes.first, "totals": changes.totals}

    def stream(self, connection: Connection, stream: int, request: dict[str, Any], follower: Follower) -> None:
        """Sends what is different between two trees, as fast as it is taken."""
        with self._lock:
            shadow = self._open(request["path"]).shadow
        since = request["since"] or shadow.empty_tree()
        for tree in (since, request["tree"]):
            if not shadow.has(tree):
                raise shadow.unknown()
        paths = [bytes.fromhex(path) for path in request["paths"]]
        arguments = [since, request["tree"], "--", *map(os.fsdecode, paths)]
        flow = Flow(connection, stream, follower)
        try:
            if request["form"] == "PATCH":
                totals = self._send_patch(shadow, flow, arguments)
            else:
                totals = self._send_files(shadow, flow, arguments, with_patches=request["form"] == "DIFFS")
        except Gone:
            return
        except ValueError:
            raise shadow.failed("git was ended while it compared the trees.") from None
        connection.reply(stream, totals)

    def _send_patch(self, shadow: Shadow, flow: Flow, arguments: list[str]) -> dict[str, int]:
        with self._git.reading(shadow.place, *PATCH, *arguments, seconds=STREAM_SECONDS) as (file, end):
            for data in iter(lambda: file.read(CHUNK), b""):
                flow.send(pack({"patch": True}, data))
            if end():
                raise shadow.failed("git could not compare the trees.")
        return {"files": 0, "added": 0, "removed": 0}

    def _send_files(self, shadow: Shadow, flow: Flow, arguments: list[str], with_patches: bool) -> dict[str, int]:
        """Two or three programs tell of the same files in step, so that any number of them takes no memory here."""
        forms = ("--raw", "--numstat", *(("-p",) if with_patches else ()))
        totals = {"files": 0, "added": 0, "removed": 0}
        with contextlib.ExitStack() as stack:
            ways = [
                stack.enter_context(
                    self._git.reading(shadow.place, *diffs.OPTIONS, form, *arguments, seconds=STREAM_SECONDS)
                )
                for form in forms
            ]
            files = [file for file, _ in ways]
            changes = diffs.together(files[0], files[1], files[2] if with_patches else None)
            for batch in _batches(changes):
                for change in batch:
                    totals["files"] += 1
                    totals["added"] += change["added"]
                    totals["removed"] += change["removed"]
                flow.send(pack({"files": batch}))
            if any(code_of(file, end) for file, end in ways):
                raise shadow.failed("git could not compare the trees.")
        return totals

    def _open(self, path: str) -> _Known:
        top = self._workspace.relative(path)
        fd = self._workspace.open_folder(path)
        root = os.readlink(f"/proc/self/fd/{fd}")
        os.close(fd)
        name = hashlib.sha256(os.fsencode(top)).hexdigest()[:16]
        shadow = Shadow(self._git, root, os.path.join(self._state, "shadow", name))
        known = self._known.get(name)
        if known is None or known.shadow.root != root:
            known = self._known[name] = _Known(shadow)
        return known

    def _tidy_later(self, known: _Known) -> None:
        """After the answer, and not each time; where no thread can be made, the next time."""
        known.until_tidy -= 1
        if known.until_tidy < 0:
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._tidy, args=(known,), daemon=True).start()
                known.until_tidy = TIDY_EVERY

    def adopt(self, mark: str) -> None:
        """Whose the sandbox is from now on."""
        self._git.mark = mark

    def _tidy(self, known: _Known) -> None:
        with self._lock, contextlib.suppress(OSError, Refusal):
            pruning.tidy(known.shadow, known.recorded, self.limit)


def _nothing(tree: str) -> dict[str, Any]:
    """A restore of which nothing more is known than that it was done."""
    totals = {"files": 0, "added": 0, "removed": 0}
    return {
        "before": "",
        "tree": tree,
        "head": "",
        "left": [],
        "repeated": True,
        "changes": [],
        "totals": totals,
    }


def _batches(changes: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for change in changes:
        batch.append(change)
        size += len(json.dumps(change))
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
