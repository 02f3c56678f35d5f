"""Workspaces as folders of this machine, for the launchers that have no volumes."""

import os
import shutil
import time
from pathlib import Path

SANDBOX_UID = 1000
REMOVE_SECONDS = 3.0


class Folders:
    """`<data>/sandboxes/<id>/workspace` and, beside it, `state`. Nothing here ever looks inside a workspace."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "sandboxes"

    def workspace(self, sandbox_id: str) -> Path:
        """Where the agent works."""
        return self._root / sandbox_id / "workspace"

    def state(self, sandbox_id: str) -> Path:
        """Journal, logs, shadow repository, home."""
        return self._root / sandbox_id / "state"

    def make(self, sandbox_id: str, owner: int | None) -> bool:
        """Makes both, owned by `owner` if that is given; whether the workspace was there already."""
        kept = self.workspace(sandbox_id).is_dir()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.workspace(sandbox_id), self.state(sandbox_id)):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if owner is not None:
                os.chown(folder, owner, owner)
        return kept

    def remove(self, sandbox_id: str) -> None:
        """Both, with all they hold; links are removed, not followed."""
        folder, last = self._root / sandbox_id, time.monotonic() + REMOVE_SECONDS
        while True:  # what is being killed in there may still write
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists() or time.monotonic() > last:
                return
            time.sleep(0.02)

    def survey(self) -> set[str]:
        """Ids of those that are there."""
        return {entry.name for entry in self._root.iterdir()} if self._root.is_dir() else set()
