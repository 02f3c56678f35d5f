"""Packs the work that no remote has into one archive: a bundle of commits and a patch of files, for each repository.

The archive is made here, inside; outside it is bytes. `checkpoint.json` in it says what the parts are.
"""
# ruff: noqa: PTH103, PTH108, PTH112, PTH118, PTH123, PTH202, PTH208

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tarfile
import time
from typing import Any

from .beneath import Beneath
from .checkpoint_git import Git
from .frames import Refusal
from .journal import Journal
from .reaper import Reaper

NAME = "checkpoint.tar.gz"
DEPTH = 3
MAX_REPOSITORIES = 10
MAX_FOLDERS = 5000
MAX_REFS = 500
MAX_LEFT_OUT = 1000
MAX_NAMED = 50
MAX_FILE = 10 * 1024 * 1024
READ_SIZE = 512 * 1024
OLD_SECONDS = 3600.0
PASSED_OVER = frozenset(("node_modules", "__pycache__", ".venv", "venv"))
AGENTS_OWN = "/lucid/"  # branches of ours on the remote may go when their pull request is merged: they are packed too
README = """\
Work of a Lucid AI session that was not pushed. For each repository listed in checkpoint.json:
  git clone <its remote> work && cd work
  git fetch ../N.bundle '+refs/heads/*:refs/heads/lucid-checkpoint/*'     (where there is an N.bundle)
  git checkout <its head>
  git apply --binary ../N.patch                                           (where there is an N.patch)
"""


class Checkpoints:
    """Makes archives and hands them out by range. `named`: what the workspace is called."""

    def __init__(self, workspace: Beneath, state: str, reaper: Reaper, mark: str, journal: Journal, named: str) -> None:
        self._workspace = workspace
        self._named = named
        self._state = os.path.join(state, "checkpoint")
        self._reaper = reaper
        self.mark = mark
        self._journal = journal

    def create(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Packs what is not pushed; answers with what it is, and the archive's size. `limit`: bytes of the commits of a
        repository, and of its files."""
        key, limit = request["id"], request["limit"]
        self._drop_old()
        folder = os.path.join(self._state, key)
        os.makedirs(folder)
        roots = self._repositories()
        packer = _Packer(self._reaper, self.mark, self._workspace.root, folder, limit)
        about = [packer.pack(number, root, roots) for number, root in enumerate([*roots, "."])]
        found = [each for each in about if each is not None]
        journal = {"epoch": self._journal.epoch, "keys": self._journal.keys()}
        path = os.path.join(folder, NAME)
        _archive(folder, path, {"version": 1, "repositories": found, "journal": journal})
        return {
            "size": os.path.getsize(path),
            "commits": sum(each["commits"] for each in found),
            "files": sum(each["files"] for each in found),
            "workspace_id": self._named,
            "left_out": [name for each in found for name in each["left_out"]][:MAX_NAMED],
            "repositories": [{name: each[name] for name in ("path", "branch", "head", "tree")} for each in found],
        }, b""

    def read(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """A range of an archive."""
        with open(os.path.join(self._state, request["id"], NAME), "rb") as file:
            file.seek(request["offset"])
            return {}, file.read(READ_SIZE)

    def drop(self, request: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """Gives its space back."""
        shutil.rmtree(os.path.join(self._state, request["id"]), ignore_errors=True)
        return {}, b""

    def _drop_old(self) -> None:
        """What a service that has died left behind."""
        os.makedirs(self._state, exist_ok=True)
        for name in os.listdir(self._state):
            with contextlib.suppress(OSError):
                if time.time() - os.lstat(os.path.join(self._state, name)).st_mtime > OLD_SECONDS:
                    self.drop({"id": name}, b"")

    def _repositories(self) -> list[str]:
        """Paths of the repositories, from the workspace; not those inside of others."""
        found: list[str] = []
        waiting = [("", 0)]
        for _ in range(MAX_FOLDERS):
            if not waiting or len(found) == MAX_REPOSITORIES:
                break
            path, depth = waiting.pop()
            folder = os.path.join(self._workspace.root, path)
            if os.path.isdir(os.path.join(folder, ".git", "objects")):
                found.append(path or ".")
            elif depth < DEPTH:
                waiting += [(os.path.join(path, name), depth + 1) for name in _folders(folder)]
        return sorted(found)


class _Packer:
    """Packs one repository after another into the files of one folder."""

    def __init__(self, reaper: Reaper, mark: str, workspace: str, folder: str, limit: int) -> None:
        self._reaper = reaper
        self._mark = mark
        self._workspace = workspace
        self._folder = folder
        self._limit = limit

    def pack(self, number: int, path: str, roots: list[str]) -> dict[str, Any] | None:
        """One repository, or what lies in the workspace beside them; None where that is nothing."""
        is_repository = path in roots and not (path == "." and number == len(roots))
        if not is_repository and "." in roots:
            return None
        root = os.path.normpath(os.path.join(self._workspace, path))
        own = os.path.join(root, ".git") if is_repository else ""
        about: dict[str, Any] = {"path": path, "number": number, "repository": is_repository, "left_out": []}
        about.update(commits=0, files=0, branch="", head="", tree="", branches={})
        if is_repository:
            self._bundle(about, Git(self._reaper, self._mark, root, own))
        self._patch(about, root, own, [] if is_repository else roots)
        return about if is_repository or about["files"] or about["left_out"] else None

    def _bundle(self, about: dict[str, Any], git: Git) -> None:
        about["head"] = git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        about["branch"] = git.text("symbolic-ref", "--quiet", "--short", "HEAD")
        refs = _refs(git, "refs/heads")
        about["branches"] = {name[len("refs/heads/") :]: commit for name, commit in refs[:MAX_REFS]}
        known = {f"^{commit}" for name, commit in _refs(git, "refs/remotes") if AGENTS_OWN not in name}
        mine = [name for name, _ in refs[:MAX_REFS]] + (["HEAD"] if about["head"] else [])
        if not mine:
            return
        against = sorted(known)[:MAX_REFS]
        remote = sorted({f"^{commit}" for _, commit in _refs(git, "refs/remotes")})[:MAX_REFS]
        about["commits"] = int(git.text("rev-list", "--count", *mine, *remote) or 0)
        if not int(git.text("rev-list", "--count", "--max-count=1", *mine, *against) or 0):
            return
        path = os.path.join(self._folder, f"{about['number']}.bundle")
        code, _ = git.run("bundle", "create", "--quiet", path, *mine, *against)
        if code or os.path.getsize(path) > self._limit:
            _remove(path)
            about["left_out"].append(f"{about['path']}: the commits" + ("" if code else ", which are too large"))

    def _patch(self, about: dict[str, Any], root: str, own: str, nested: list[str]) -> None:
        """The difference of the files to HEAD, untracked ones with it, ignored ones not."""
        beside = os.path.join(self._folder, "index")
        git = Git(self._reaper, self._mark, root, beside, os.path.join(own, "objects") if own else "")
        try:
            about["tree"], base = self._record(git, about, own, nested)
            changed = _changed(git, base, about["tree"])
            about["files"] = len(changed)
            large = _too_large(root, changed, self._limit)
            about["left_out"] += [f"{_joined(about['path'], name)}: too large" for name in sorted(large)]
            if len(large) < len(changed):
                self._write_patch(git, about, base, large)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _write_patch(self, git: Git, about: dict[str, Any], base: str, large: list[str]) -> None:
        path = os.path.join(self._folder, f"{about['number']}.patch")
        without = [f":(exclude,literal,top){name}" for name in large]
        order = ("diff-tree", "-r", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-renames")
        spared = len(large) <= MAX_LEFT_OUT
        if not spared or not git.into(path, 2 * self._limit, *order, base, about["tree"], "--", ".", *without):
            about["left_out"].append(f"{about['path']}: the changed files, which are too many")

    def _record(self, git: Git, about: dict[str, Any], own: str, nested: list[str]) -> tuple[str, str]:
        """The tree of the files, and the tree of HEAD."""
        form = "sha256" if len(about["head"]) == 64 else "sha1"
        code, _ = git.run("init", "--quiet", "--template=", f"--object-format={form}")
        if code:
            raise Refusal("CHECKPOINT_FAILED", "git could not record the files.")
        os.makedirs(os.path.join(git.git_dir, "info"), exist_ok=True)
        _write(os.path.join(git.git_dir, "info", "attributes"), b"* -filter\n")
        exclude = _read(os.path.join(own, "info", "exclude")) if own else b""
        lines = b"".join(b"/" + os.fsencode(_escaped(path)) + b"/\n" for path in nested)
        _write(os.path.join(git.git_dir, "info", "exclude"), exclude + b"\n" + lines)
        if about["head"]:
            git.run("read-tree", about["head"])
        git.run("add", "--all", "--ignore-errors", "--", ".")
        code, output = git.run("write-tree")
        if code:
            raise Refusal("CHECKPOINT_FAILED", "git could not record the files.")
        base = git.text("rev-parse", "--verify", "--quiet", about["head"] + "^{tree}") if about["head"] else ""
        return output.decode().strip(), base or git.text("hash-object", "-t", "tree", "-w", "/dev/null")


def _archive(folder: str, path: str, content: dict[str, Any]) -> None:
    """One file of all parts; the parts go as they are put in."""
    parts = sorted(name for name in os.listdir(folder) if name.endswith((".bundle", ".patch")))
    with tarfile.open(path, "w:gz", compresslevel=3) as archive:
        for name, data in (("checkpoint.json", json.dumps(content).encode()), ("README.txt", README.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for name in parts:
            entry = tarfile.TarInfo(name)
            entry.size = os.path.getsize(os.path.join(folder, name))
            with open(os.path.join(folder, name), "rb") as file:
                archive.addfile(entry, file)
            _remove(os.path.join(folder, name))


def _refs(git: Git, below: str) -> list[tuple[str, str]]:
    listed = git.text("for-each-ref", "--format=%(refname) %(objectname)", "--sort=-committerdate", below)
    pairs = [line.rpartition(" ") for line in listed.splitlines()]
    return [(name, commit) for name, _, commit in pairs if name and not name.endswith("/HEAD")]


def _changed(git: Git, base: str, tree: str) -> dict[str, bool]:
    """Paths that differ, and whether they still have content."""
    code, output = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-status", base, tree)
    if code:
        raise Refusal("CHECKPOINT_FAILED", "git could not compare the files.")
    fields = output.split(b"\0")[:-1]
    return {os.fsdecode(fields[at + 1]): fields[at] != b"D" for at in range(0, len(fields) - 1, 2)}


def _too_large(root: str, changed: dict[str, bool], limit: int) -> list[str]:
    """What does not fit: files that are large by themselves, then the largest until the rest fits."""
    sizes = sorted((_size(os.path.join(root, name)) if there else 0, name) for name, there in changed.items())
    room, left_out = limit, []
    for size, name in sizes:
        room -= size
        if size > min(MAX_FILE, limit) or room < 0:
            left_out.append(name)
    return left_out


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [name for name in names if name not in PASSED_OVER and not name.startswith(".")]


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _joined(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _escaped(path: str) -> str:
    return "".join("\\" + letter if letter in "\\*?[ !#" else letter for letter in path)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20)
    except OSError:
        return b""


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
