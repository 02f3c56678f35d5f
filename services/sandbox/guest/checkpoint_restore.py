"""Applies a checkpoint to a fresh workspace: commits, branches, then the files that were not committed.

What cannot be applied is said and left out; the rest is applied all the same.
"""
# ruff: noqa: PTH103, PTH110, PTH112, PTH118, PTH123

from __future__ import annotations

import json
import os
import shutil
import tarfile
from typing import Any

from .beneath import Beneath
from .checkpoint_git import Git
from .frames import Refusal
from .journal import Journal
from .reaper import Reaper

KEPT = "refs/lucid/checkpoint"
PARTS = ("checkpoint.json",)
MAX_JSON = 8 * 1024 * 1024


class Restores:
    """Takes an archive in by parts and applies it once for its key."""

    def __init__(self, workspace: Beneath, state: str, reaper: Reaper, mark: str, journal: Journal) -> None:
        self._workspace = workspace
        self._folder = os.path.join(state, "restore")
        self._reaper = reaper
        self.mark = mark
        self._journal = journal

    def write(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The next part of the archive."""
        offset = request["offset"]
        if offset == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.makedirs(self._folder)
        with open(os.path.join(self._folder, "archive"), "r+b" if offset else "wb") as file:
            file.seek(offset)
            file.write(data)
        return {}, b""

    def known(self, key: str) -> dict[str, Any] | None:
        """What was restored under this key before."""
        record = self._journal.edits.get(_name(key))
        return None if record is None else {name: record[name] for name in ("commits", "files", "branch", "failed")}

    def apply(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Applies the archive that was written, unless that was done. Raises Refusal."""
        key = request["id"]
        with self._journal.admitted(request["epoch"]):
            done = self.known(key)
            if done is not None:
                return done, b""
            content = self._unpack()
            result: dict[str, Any] = {"commits": 0, "files": 0, "branch": "", "failed": []}
            for about in content["repositories"]:
                self._restore(about, result)
            self._journal.adopt(content["journal"]["keys"])
            self._journal.edit(_name(key), result)
        shutil.rmtree(self._folder, ignore_errors=True)
        return result, b""

    def _unpack(self) -> dict[str, Any]:
        """Files of the names that we give, and nothing else: an archive is data."""
        try:
            with tarfile.open(os.path.join(self._folder, "archive"), "r:gz") as archive:
                for entry in archive:
                    if entry.isreg() and (entry.name in PARTS or _is_part(entry.name)):
                        part = archive.extractfile(entry)
                        assert part is not None
                        with part, open(os.path.join(self._folder, entry.name), "wb") as file:
                            shutil.copyfileobj(part, file)
            with open(os.path.join(self._folder, "checkpoint.json"), "rb") as file:
                content: dict[str, Any] = json.loads(file.read(MAX_JSON))
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise Refusal("CHECKPOINT_FAILED", f"The checkpoint cannot be read: {error}.") from None
        return content

    def _restore(self, about: dict[str, Any], result: dict[str, Any]) -> None:
        root = os.path.normpath(os.path.join(self._workspace.root, self._workspace.relative(about["path"])))
        own = os.path.join(root, ".git") if about["repository"] else ""
        if own and not os.path.isdir(own):
            result["failed"].append(f"{about['path']}: there is no such repository any more")
            return
        os.makedirs(root, exist_ok=True)
        git = Git(self._reaper, self.mark, root, own)
        if own:
            self._commits(git, about, result)
        patch = os.path.join(self._folder, f"{about['number']}.patch")
        if os.path.exists(patch):
            code, _ = git.run("apply", "--binary", "--whitespace=nowarn", patch)
            if code:
                result["failed"].append(f"{about['path']}: {about['files']} changed files do not fit")
            else:
                result["files"] += about["files"]
        result["failed"] += [f"{name}, not in the checkpoint" for name in about["left_out"]]

    def _commits(self, git: Git, about: dict[str, Any], result: dict[str, Any]) -> None:
        bundle = os.path.join(self._folder, f"{about['number']}.bundle")
        if os.path.exists(bundle):
            specs = (f"+refs/heads/*:{KEPT}/*", f"+HEAD:{KEPT}-head") if about["head"] else (f"+refs/heads/*:{KEPT}/*",)
            code, _ = git.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", bundle, *specs)
            if code:
                result["failed"].append(f"{about['path']}: the commits do not fit what the remote has now")
            else:
                result["commits"] += about["commits"]
        self._check_out(git, about, result)
        for name, commit in about["branches"].items():
            if name != about["branch"] and git.run("cat-file", "-e", commit + "^{commit}")[0] == 0:
                git.run("branch", "--force", "--no-track", "--", name, commit)
        for line in git.text("for-each-ref", "--format=%(refname)", KEPT, f"{KEPT}-head").splitlines():
            git.run("update-ref", "-d", line)

    def _check_out(self, git: Git, about: dict[str, Any], result: dict[str, Any]) -> None:
        head, branch = about["head"], about["branch"]
        if not head:
            return
        if git.run("cat-file", "-e", head + "^{commit}")[0]:
            result["failed"].append(f"{about['path']}: commit {head[:12]}, on which the work stood, is there no more")
            return
        place = ("--no-track", "-B", branch, head) if branch else ("--detach", head)
        if git.run("checkout", "--quiet", "--force", *place)[0]:
            result["failed"].append(f"{about['path']}: {branch or head[:12]} could not be checked out")
        else:
            result["branch"] = result["branch"] or branch


def _is_part(name: str) -> bool:
    number, _, kind = name.partition(".")
    return number.isdigit() and kind in ("bundle", "patch")


def _name(key: str) -> str:
    return f"checkpoint:{key}"
