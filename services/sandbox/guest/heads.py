"""Where a repository stands: its HEAD and its local branches, read without a process where that is possible."""
# ruff: noqa: PTH110, PTH112, PTH113, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import re

from .shadow_git import Git, Place

MOST_BRANCHES = 100
MOST_PACKED = 8 * 1024 * 1024
ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Head:
    """`commit` and `ref` are empty where there is none. `branches`: commits by full name."""

    def __init__(self, commit: str = "", ref: str = "", branches: dict[str, str] | None = None) -> None:
        self.commit = commit
        self.ref = ref
        self.branches = branches or {}


def read_head(git: Git, root: str) -> Head:
    """As it is now. A repository that cannot be read is none."""
    own = os.path.join(root, ".git")
    if os.path.isfile(own) or os.path.exists(os.path.join(own, "reftable")):
        return _asked(git, root, _git_dir(own))
    text = _text(os.path.join(own, "HEAD")).strip()
    if not text:
        return Head()
    packed = _packed(own)
    branches = _branches(own, packed)
    if not text.startswith("ref: "):
        return Head(text if ID.fullmatch(text) else "", "", branches)
    ref = text[5:].strip()
    commit = _text(os.path.join(own, ref)).strip() or packed.get(ref, "")
    return Head(commit if ID.fullmatch(commit) else "", ref, branches)


def objects_of(root: str) -> str:
    """Where the repository at `root` keeps its objects; empty where there is none."""
    own = _git_dir(os.path.join(root, ".git"))
    common = _text(os.path.join(own, "commondir")).strip()
    folder = os.path.normpath(os.path.join(own, common, "objects"))
    return folder if os.path.isdir(folder) else ""


def _git_dir(own: str) -> str:
    """The folder itself, or the one that a file of this name leads to (a linked work tree, a submodule)."""
    if not os.path.isfile(own):
        return own
    return os.path.join(os.path.dirname(own), _text(own).partition("gitdir: ")[2].strip())


def _asked(git: Git, root: str, own: str) -> Head:
    place = Place(root, own)
    code, output = git.run(place, "show-ref", "--head", "--heads")
    if code:
        return Head()
    found = [line.split(" ", 1) for line in output.decode("utf-8", "surrogateescape").splitlines()]
    refs = {name: commit for commit, name in found}
    ref = git.run(place, "symbolic-ref", "--quiet", "HEAD")[1].decode("utf-8", "surrogateescape").strip()
    commit = refs.pop("HEAD", "")
    return Head(commit, ref, dict(sorted(refs.items())[:MOST_BRANCHES]))


def _packed(own: str) -> dict[str, str]:
    """Local branches of the file that keeps many refs."""
    found = {}
    for line in _text(os.path.join(own, "packed-refs"), MOST_PACKED).split("\n"):
        commit, _, name = line.partition(" ")
        if name.startswith("refs/heads/") and ID.fullmatch(commit):
            found[name] = commit
    return found


def _branches(own: str, packed: dict[str, str]) -> dict[str, str]:
    found = dict(packed)
    top = os.path.join(own, "refs", "heads")
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in files:
            commit = _text(os.path.join(folder, name)).strip()
            if ID.fullmatch(commit):
                found["refs/heads/" + os.path.relpath(os.path.join(folder, name), top)] = commit
        if len(found) > len(packed) + 10 * MOST_BRANCHES:
            break
    return dict(sorted(found.items())[:MOST_BRANCHES])


def _text(path: str, limit: int = 1 << 16) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(limit)
    except OSError:
        return ""
