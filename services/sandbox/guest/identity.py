"""The name of a workspace: made with it, kept beside it. Another name means that the files of before are gone."""
# ruff: noqa: PTH105, PTH118, PTH123

from __future__ import annotations

import os


def workspace_id(state: str, is_fresh: bool) -> str:
    """The one that is kept; a new one for a fresh workspace."""
    path = os.path.join(state, "workspace-id")
    if not is_fresh:
        try:
            with open(path, encoding="ascii") as file:
                known = file.read(64).strip()
            if known:
                return known
        except (OSError, UnicodeDecodeError):
            pass
    made = os.urandom(8).hex()
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
    return made
