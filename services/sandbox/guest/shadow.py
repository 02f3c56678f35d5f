"""One shadow repository: the trees of a folder, kept outside the repository's own .git and without need of it."""
# ruff: noqa: PTH103, PTH108, PTH110, PTH118, PTH123

from __future__ import annotations

import os
import re

from .frames import Refusal
from .heads import Head, objects_of, read_head
from .shadow_git import Git, Place

EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
# Larger files go straight into a pack; where everything is new, all do: thousands of files would be slow one by one.
BIG_FILE = ("-c", "core.bigFileThreshold=8m")
ANY_FILE = ("-c", "core.bigFileThreshold=1")
FULL_BELOW = 1 << 20
ADD = ("add", "--all", "--ignore-errors", "--", ".")
ADDED = (0, 1)  # 1: all but what may not be read


class Shadow:
    """Its folder holds a bare repository with an index, the list of snapshots, and what it knows of HEAD.

    An entry of the index whose times are those of its file has its content here: the repository's own objects are
    borrowed only while its HEAD is read, and copied where the tree is recorded for the first time.
    """

    def __init__(self, git: Git, root: str, folder: str) -> None:
        self.git = git
        self.root = root
        self.folder = folder
        self.place = Place(root, folder)
        if not os.path.exists(os.path.join(folder, "complete")):
            self._make()

    def run(self, *arguments: str, given: bytes | None = None) -> tuple[int, bytes]:
        """Runs git on it."""
        return self.git.run(self.place, *arguments, given=given)

    def has(self, tree: str) -> bool:
        """Whether a tree is known here."""
        return self.run("cat-file", "-e", tree + "^{tree}")[0] == 0

    def empty_tree(self) -> str:
        """The id of a tree without files."""
        return EMPTY[64 if self._form() == "sha256" else 40]

    def _make(self) -> None:
        os.makedirs(self.folder, exist_ok=True)
        own = os.path.join(self.root, ".git", "config")
        sha256 = re.search(r"(?im)^\s*objectformat\s*=\s*sha256\s*$", _text(own))
        form = "sha256" if sha256 else "sha1"
        code, _ = self.run("init", "--quiet", "--template=", f"--object-format={form}")
        if code:
            raise self.failed("The shadow repository could not be made.")
        os.makedirs(os.path.join(self.folder, "info"), exist_ok=True)
        _write(os.path.join(self.folder, "info", "attributes"), "* -filter\n")
        _write(os.path.join(self.folder, "complete"), form)

    def _form(self) -> str:
        return _text(os.path.join(self.folder, "complete")) or "sha1"

    @staticmethod
    def unknown() -> Refusal:
        """Of a tree."""
        return Refusal("TREE_NOT_FOUND", "This tree is not known here, or was let go to save space.")

    def failed(self, words: str) -> Refusal:
        """Why git may have failed."""
        for folder in (self.folder, self.root):
            room = os.statvfs(folder)
            if room.f_bavail * room.f_frsize < FULL_BELOW:
                return Refusal("DISK_FULL", "There is no space left in the sandbox.")
        return Refusal("SNAPSHOT_FAILED", words)

    def follow_head(self) -> Head:
        """Where the repository stands. What it tracks is tracked here too, though it be ignored."""
        head = read_head(self.git, self.root)
        self._exclude()
        seen = os.path.join(self.folder, "head")
        if head.commit and _text(seen) != head.commit:
            self._adopt(head.commit)
            _write(seen, head.commit)
        return head

    def _adopt(self, commit: str) -> None:
        objects = objects_of(self.root)
        borrowing = Place(self.root, self.folder, objects)
        if objects and not self._has_index():
            # A copy of what is compressed already; otherwise each file would be compressed anew.
            pack = os.path.join(self.folder, "objects", "pack", "pack")
            tree = f"{commit}^{{tree}}\n".encode()
            self.git.run(borrowing, "pack-objects", "--quiet", "--revs", "--window=0", pack, given=tree)
        code, _ = self.git.run(borrowing, "read-tree", "-m", commit)
        if code:
            self.git.run(borrowing, "read-tree", commit)

    def _has_index(self) -> bool:
        return os.path.exists(os.path.join(self.folder, "index"))

    def _exclude(self, every: bool = False) -> None:
        """The repository's own list, and nested repositories: those that have no commit yet, or all of them."""
        nested = [line for line in self._nested() if every or _is_unborn(os.path.join(self.root, line.strip("/")))]
        path = os.path.join(self.folder, "info", "exclude")
        own = _text(os.path.join(self.root, ".git", "info", "exclude"))
        text = own + "\n" + "".join(f"{_escaped(line)}\n" for line in nested)
        if text != _text(path):
            _write(path, text)

    def _nested(self) -> list[str]:
        return [line for line in _text(os.path.join(self.folder, "nested")).split("\0") if line]

    def record(self) -> str:
        """Puts the work tree into the index and writes its tree."""
        self.stage()
        return self.write_tree()[0]

    def write_tree(self) -> tuple[str, bool]:
        """The tree of the index, and whether the index had to be made anew."""
        code, output = self.run("write-tree")
        if code:
            for name in ("index", "head"):
                _remove(os.path.join(self.folder, name))
            self.follow_head()
            self.stage()
            again, output = self.run("write-tree")
            if again:
                raise self.failed("git could not record the tree.")
        return output.decode().strip(), bool(code)

    def stage(self) -> None:
        """Puts the work tree into the index.

        A repository inside without a commit, or a broken one, stops `git add`: it is left out while it does.
        """
        # Nobody but us works here, one call at a time: a lock that is there was left by a git that was killed.
        _remove(os.path.join(self.folder, "index.lock"))
        command = (*(BIG_FILE if self._has_index() else ANY_FILE), *ADD)
        if self.run(*command)[0] in ADDED:
            return
        self._find_nested()
        self._exclude()
        if self.run(*command)[0] not in ADDED:
            self._exclude(every=True)
            self.run(*command)

    def _find_nested(self) -> None:
        found = []
        for folder, names, _ in os.walk(self.root):
            names[:] = [name for name in names if name not in (".git", "node_modules")]
            if folder != self.root and os.path.exists(os.path.join(folder, ".git")):
                names[:] = []
                found.append("/" + os.path.relpath(folder, self.root) + "/")
        _write(os.path.join(self.folder, "nested"), "\0".join(found))


def _is_unborn(folder: str) -> bool:
    own = os.path.join(folder, ".git")
    heads = os.path.join(own, "refs", "heads")
    if not os.path.exists(own) or os.path.exists(os.path.join(own, "packed-refs")):
        return False
    return not any(files for _, _, files in os.walk(heads))


def _escaped(line: str) -> str:
    return re.sub(r"([\\*?\[\] ])", r"\\\1", line)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
