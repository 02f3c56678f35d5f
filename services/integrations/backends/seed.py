"""The first run's repository: a small real project from a folder, with a history, written into a bare repository."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from services.integrations.backends.local_git import BareRepositories, run_git
from services.rpc.logs import get_logger

HISTORY = "history.json"
OWNER = "lucid"
AUTHOR = "Lucid AI"
ADDRESS = "seed@lucid.invalid"
FIRST_COMMIT_TIME = 1_750_000_000
SECONDS_BETWEEN = 86_400
log = get_logger("integrations.seed")


class SeedFailed(RuntimeError):
    """Git could not write the seed."""


async def seed_repositories(repositories: BareRepositories, seeds: Path) -> None:
    """Makes `lucid/<folder>` for every folder of `seeds`, if there is no repository at all yet."""
    if repositories.names():
        return
    for folder in _projects(seeds):
        await _seed(repositories.root / OWNER / f"{folder.name}.git", folder)
        log.info("seeded a local repository", extra={"repository": f"{OWNER}/{folder.name}"})


async def _seed(target: Path, folder: Path) -> None:
    """Builds beside and renames, so that a half-made repository is never seen."""
    history = _read_history(folder)
    building = _start_beside(target)
    try:
        await _git(building, "init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        parent = ""
        for number, step in enumerate(history["commits"]):
            parent = await _commit(building, folder, step["message"], step["paths"], parent, number)
        await _git(building, "update-ref", "refs/heads/main", parent)
        _put_in_place(building, target, history["description"])
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _projects(seeds: Path) -> list[Path]:
    return sorted(path.parent for path in seeds.glob(f"*/{HISTORY}"))


def _read_history(folder: Path) -> dict[str, Any]:
    history: dict[str, Any] = json.loads((folder / HISTORY).read_text())
    return history


def _start_beside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".seed-", dir=target.parent))


def _put_in_place(building: Path, target: Path, description: str) -> None:
    (building / "description").write_text(description + "\n")
    building.chmod(0o755)
    building.rename(target)


async def _commit(repository: Path, folder: Path, message: str, paths: list[str], parent: str, number: int) -> str:
    for path in paths:
        source = folder / path
        blob = await _git(repository, "hash-object", "-w", "--stdin", given=source.read_bytes())
        mode = "100755" if os.access(source, os.X_OK) else "100644"
        await _git(repository, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    tree = await _git(repository, "write-tree")
    parents = ["-p", parent] if parent else []
    time = f"{FIRST_COMMIT_TIME + number * SECONDS_BETWEEN} +0000"
    return await _git(repository, "commit-tree", tree, *parents, given=message.encode(), time=time)


async def _git(repository: Path, *arguments: str, given: bytes = b"", time: str = "") -> str:
    environment = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _identity(time)}
    code, out = await run_git(repository, arguments, environment, given)
    if code != 0:
        raise SeedFailed(arguments[0])
    return out.decode().strip()


def _identity(time: str) -> list[tuple[str, str]]:
    return [("NAME", AUTHOR), ("EMAIL", ADDRESS), *([("DATE", time)] if time else [])]
