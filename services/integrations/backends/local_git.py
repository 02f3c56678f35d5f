"""LocalGit: git in our own bare repositories. Arguments are lists; names are resolved to commits before use."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from services.integrations.backends.git_child import kill_group, start_git
from services.integrations.backends.git_environment import git_environment
from services.integrations.domain.addresses import checked_full_name
from services.integrations.domain.errors import BranchNotPushed, MergeConflict, RepositoryNotFound
from services.integrations.domain.models import LOCAL, Commit, Comparison

MAX_DIFF_BYTES = 1024 * 1024
MAX_COMMITS = 250
GIT_SECONDS = 60.0
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MERGER = {
    "GIT_AUTHOR_NAME": "Lucid AI",
    "GIT_AUTHOR_EMAIL": "merge@lucid.invalid",
    "GIT_COMMITTER_NAME": "Lucid AI",
    "GIT_COMMITTER_EMAIL": "merge@lucid.invalid",
}


async def run_git(
    repository: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None, given: bytes = b""
) -> tuple[int, bytes]:
    """Runs git in a bare repository; exit code and standard output."""
    child = await start_git(
        f"--git-dir={repository}",
        *arguments,
        # Without input there is no pipe: git may have ended before it could be written to.
        stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=git_environment(environment),
        cwd="/",
    )
    try:
        async with asyncio.timeout(GIT_SECONDS):
            out, _ = await child.communicate(given or None)
    finally:
        if child.returncode is None:
            kill_group(child)
            await child.wait()
    assert child.returncode is not None
    return child.returncode, out


class BareRepositories:
    """`<root>/<owner>/<name>.git`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._merging: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def merging(self, full_name: str) -> asyncio.Lock:
        """Held while a repository's pull request is merged."""
        return self._merging[full_name]

    def path(self, full_name: str) -> Path:
        """Where a repository lies. Raises RepositoryNotFound, InvalidRepository."""
        path = self.root / f"{checked_full_name(LOCAL, full_name)}.git"
        if not (path / "HEAD").is_file():
            raise RepositoryNotFound
        return path

    def names(self) -> list[str]:
        """All of them."""
        heads = sorted(self.root.glob("*/*.git/HEAD"))
        return [str(head.parent.relative_to(self.root)).removesuffix(".git") for head in heads]

    async def commit_of(self, full_name: str, branch: str) -> str:
        """What a branch points to; empty if there is none."""
        return await self._resolve(self.path(full_name), f"refs/heads/{branch}")

    async def contains(self, full_name: str, commit: str, branch: str) -> bool:
        """Whether the branch holds the commit."""
        tip = await self.commit_of(full_name, branch)
        if not tip or not _COMMIT.fullmatch(commit):
            return False
        code, _ = await run_git(self.path(full_name), ["merge-base", "--is-ancestor", commit, tip])
        return code == 0

    async def compare(self, full_name: str, base: str, head: str) -> Comparison:
        """What head changes; both are branches or commits. Raises BranchNotPushed."""
        path = self.path(full_name)
        old, new = await self._either(path, base), await self._either(path, head)
        code, out = await run_git(path, ["merge-base", old, new])
        start = out.decode().strip() if code == 0 else old
        added, removed = await _counts(path, start, new)
        return Comparison(
            unified_diff=await _diff(path, start, new),
            added=added,
            removed=removed,
            commits=await _commits(path, start, new),
            mergeable=await _merged_tree(path, old, new) is not None,
        )

    async def prepare_merge(self, full_name: str, base: str, head: str, message: str) -> str:
        """Makes the merge commit of two commits, moving nothing. Raises MergeConflict."""
        path = self.path(full_name)
        tree = await _merged_tree(path, base, head)
        if tree is None:
            raise MergeConflict
        arguments = ["commit-tree", tree, "-p", base, "-p", head]
        code, out = await run_git(path, arguments, MERGER, message.encode())
        if code != 0:
            raise MergeConflict
        return out.decode().strip()

    async def move(self, full_name: str, branch: str, new: str, old: str) -> bool:
        """Moves a branch if it still is at `old`."""
        arguments = ["update-ref", "--end-of-options", f"refs/heads/{branch}", new, old]
        code, _ = await run_git(self.path(full_name), arguments)
        return code == 0

    async def _either(self, path: Path, name: str) -> str:
        commit = await self._resolve(path, name if _COMMIT.fullmatch(name) else f"refs/heads/{name}")
        if not commit:
            raise BranchNotPushed(f"There is no branch {name}.", branch=name)
        return commit

    async def _resolve(self, path: Path, name: str) -> str:
        arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        code, out = await run_git(path, arguments)
        return out.decode().strip() if code == 0 else ""


async def _diff(path: Path, start: str, end: str) -> str:
    arguments = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--end-of-options", start, end]
    _, out = await run_git(path, arguments)
    if len(out) > MAX_DIFF_BYTES:
        out = out[: out.rfind(b"\n", 0, MAX_DIFF_BYTES) + 1]
    return out.decode(errors="replace")


async def _counts(path: Path, start: str, end: str) -> tuple[int, int]:
    arguments = ["diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--numstat", "--end-of-options", start, end]
    _, out = await run_git(path, arguments)
    rows = [line.split(b"\t") for line in out.splitlines()]
    numbers = [(int(row[0]), int(row[1])) for row in rows if row[0].isdigit() and row[1].isdigit()]
    return sum(added for added, _ in numbers), sum(removed for _, removed in numbers)


async def _commits(path: Path, start: str, end: str) -> tuple[Commit, ...]:
    span = ["--reverse", f"--max-count={MAX_COMMITS}", "--format=%H%x00%s%x00%an%x00%ct%x00", "-z"]
    _, out = await run_git(path, ["log", *span, "--end-of-options", f"{start}..{end}"])
    fields = out.decode(errors="replace").split("\0")
    rows = [fields[at : at + 4] for at in range(0, len(fields) - 4, 5)]
    return tuple(
        Commit(commit.strip(), subject, author, datetime.fromtimestamp(int(seconds), UTC))
        for commit, subject, author, seconds in rows
    )


async def _merged_tree(path: Path, base: str, head: str) -> str | None:
    arguments = ["merge-tree", "--write-tree", "--no-messages", "--allow-unrelated-histories", base, head]
    code, out = await run_git(path, arguments)
    return out.decode().split("\n", 1)[0].strip() if code == 0 else None
