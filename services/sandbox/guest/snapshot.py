"""A shadow repository: records the tree of a repository outside its own .git, and compares such trees.

Git runs here, inside the sandbox, and with a configuration of ours: no hooks, no filters, no fsmonitor, no helper
programs, whatever the repository's own files say.
"""
# ruff: noqa: PTH103, PTH108, PTH110, PTH112, PTH115, PTH118, PTH123

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
from typing import Any

from . import diffs
from .beneath import Beneath
from .frames import Refusal
from .processes import MARK
from .reaper import Child, Reaper

TIMEOUT_SECONDS = 120
NEUTRAL = [
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.untrackedCache=true"),
    *("-c", "core.bigFileThreshold=8m"),
    *("-c", "core.looseCompression=1"),
    *("-c", "core.fsync=none"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "advice.addEmbeddedRepo=false"),
    *("-c", "safe.directory=*"),
]


class Snapshots:
    """Makes snapshots; one at a time."""

    def __init__(self, workspace: Beneath, state: str, reaper: Reaper, mark: str) -> None:
        self._workspace = workspace
        self._state = state
        self._reaper = reaper
        self._mark = mark
        self._lock = threading.Lock()

    def create(self, path: str, since: str) -> tuple[dict[str, Any], bytes]:
        """The tree now, and the changes since an earlier tree."""
        top = self._workspace.relative(path)
        fd = self._workspace.open_folder(path)
        root = os.readlink(f"/proc/self/fd/{fd}")
        os.close(fd)
        with self._lock:
            shadow = _Shadow(
                root, os.path.join(self._state, "shadow", hashlib.sha256(top.encode()).hexdigest()[:16]), self
            )
            head = shadow.follow_head()
            tree = shadow.record()
            if not since or since == tree:
                return {"tree": tree, "head": head, "truncated": False, "changes": []}, b""
            return {"tree": tree, "head": head, **shadow.compare(since, tree)}, b""

    def git(self, root: str, git_dir: str, *arguments: str) -> tuple[int, bytes]:
        """Runs git to its end. Returns its exit code (-1 at its time limit) and what it printed."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        try:
            child = self.start(root, git_dir, write_end, *arguments)
        except OSError:
            os.close(read_end)
            raise Refusal("SNAPSHOT_FAILED", "git could not be started in the sandbox.") from None
        finally:
            os.close(write_end)
        timer = threading.Timer(TIMEOUT_SECONDS, child.kill)
        timer.start()
        with os.fdopen(read_end, "rb") as file:
            output = file.read()
        status = child.wait()
        timer.cancel()
        return (os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else -1), output

    def start(self, root: str, git_dir: str, stdout: int, *arguments: str) -> Child:
        """Starts git on a shadow of `root`."""
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_DIR": git_dir,
            "GIT_WORK_TREE": root,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            MARK.decode().rstrip("="): self._mark,
        }
        argv = ["git", *NEUTRAL, *arguments]
        return self._reaper.spawn(argv, env, root, stdout, stderr=subprocess.DEVNULL)


class _Shadow:
    """The shadow of one repository."""

    def __init__(self, root: str, git_dir: str, owner: Snapshots) -> None:
        self._root = root
        self._dir = git_dir
        self._owner = owner
        if not os.path.exists(os.path.join(git_dir, "complete")):
            self._make()

    def _git(self, *arguments: str) -> tuple[int, bytes]:
        return self._owner.git(self._root, self._dir, *arguments)

    def _make(self) -> None:
        os.makedirs(self._dir, exist_ok=True)
        own = os.path.join(self._root, ".git")
        form = (
            "sha256"
            if re.search(r"(?im)^\s*objectformat\s*=\s*sha256\s*$", _text(os.path.join(own, "config")))
            else "sha1"
        )
        code, _ = self._git("init", "--quiet", "--template=", f"--object-format={form}")
        if code:
            raise Refusal("SNAPSHOT_FAILED", "The shadow repository could not be made.")
        os.makedirs(os.path.join(self._dir, "info"), exist_ok=True)
        os.makedirs(os.path.join(self._dir, "objects", "info"), exist_ok=True)
        _write(os.path.join(self._dir, "info", "attributes"), "* -filter\n")
        if os.path.isdir(os.path.join(own, "objects")):
            _write(os.path.join(self._dir, "objects", "info", "alternates"), os.path.join(own, "objects") + "\n")
        _write(os.path.join(self._dir, "complete"), "")

    def follow_head(self) -> str:
        """The repository's HEAD commit, or "". What it tracks is tracked here too, though it be ignored."""
        own = os.path.join(self._root, ".git")
        if not os.path.isdir(own):
            return ""
        exclude = _text(os.path.join(own, "info", "exclude"))
        if exclude != _text(os.path.join(self._dir, "info", "exclude")):
            _write(os.path.join(self._dir, "info", "exclude"), exclude)
        code, output = self._owner.git(self._root, own, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        head = output.decode().strip() if not code else ""
        seen = os.path.join(self._dir, "head")
        if head and _text(seen) != head:
            code, _ = self._git("read-tree", "-m", head)
            if code:
                self._git("read-tree", head)
            _write(seen, head)
        return head

    def record(self) -> str:
        """Puts the work tree into the index and writes its tree."""
        code, _ = self._git("add", "--all", "--ignore-errors", "--", ".")
        if code:
            self._leave_out_nested()
            self._git("add", "--all", "--ignore-errors", "--", ".")
        code, output = self._git("write-tree")
        if code:
            # An index that a killed git left locked or torn is made anew.
            for name in ("index.lock", "index", "head"):
                _remove(os.path.join(self._dir, name))
            self.follow_head()
            self._git("add", "--all", "--ignore-errors", "--", ".")
            code, output = self._git("write-tree")
        if code:
            raise Refusal("SNAPSHOT_FAILED", "git could not record the tree.")
        return output.decode().strip()

    def _leave_out_nested(self) -> None:
        """A repository inside without a commit stops `git add`: it is left out until it has one."""
        lines = []
        for folder, names, _ in os.walk(self._root):
            names[:] = [name for name in names if name not in (".git", "node_modules")]
            if folder != self._root and os.path.exists(os.path.join(folder, ".git")):
                names[:] = []
                lines.append("/" + os.path.relpath(folder, self._root) + "/")
        path = os.path.join(self._dir, "info", "exclude")
        _write(path, _text(path) + "\n" + "\n".join(lines) + "\n")

    def compare(self, since: str, tree: str) -> dict[str, Any]:
        """The changes between two trees, by path."""
        code, _ = self._git("cat-file", "-e", since + "^{tree}")
        if code:
            raise Refusal("TREE_NOT_FOUND", "The tree to compare with is not known here.")
        options = ("--no-ext-diff", "--no-textconv", "-r", "-M", "--find-renames")
        code, listed = self._git("diff-tree", *options, "--raw", "-z", "--numstat", "--abbrev=40", since, tree)
        if code:
            raise Refusal("SNAPSHOT_FAILED", "git could not compare the trees.")
        changes, truncated = diffs.listed(listed)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        child = self._owner.start(self._root, self._dir, write_end, "diff-tree", *options, "-p", since, tree)
        os.close(write_end)
        timer = threading.Timer(TIMEOUT_SECONDS, child.kill)
        timer.start()
        with os.fdopen(read_end, "rb") as file:
            diffs.add_patches(file, changes)
        child.kill()
        child.wait()
        timer.cancel()
        return {"changes": changes, "truncated": truncated}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
