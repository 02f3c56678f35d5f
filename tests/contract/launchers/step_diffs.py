"""What a step may do to a repository, each as a few lines of shell, and what git itself says of it."""

import dataclasses
from typing import NamedTuple

from lucid.sandbox.v1 import snapshots_pb2 as spb

from tests.contract.launchers.conftest import Bench

# The tree as the repository's own git sees it, by an index of its own; $REF where there is no repository. A copy
# keeps the time of the index: by it git knows which files it must read again that look as they did within one second.
TREE = """
tree_of() { local index; index=$(mktemp -u); local dir=${REF:-$(git rev-parse --absolute-git-dir)}
  [ ! -f "$dir/index" ] || cp -p "$dir/index" "$index"
  GIT_DIR=$dir GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$index git add -A 2>/dev/null
  GIT_DIR=$dir GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$index git write-tree; rm -f "$index"; }
"""
SETUP = (
    "seq 1 40 >numbers; printf 'a\\nb\\n' >letters; mkdir dir; seq 5 >dir/five; echo sh >run; ln -s letters link; "
    "head -c 3000 /dev/urandom >random; : >empty; printf 'one\\r\\ntwo\\r\\n' >crlf; printf 'no end' >noend; "
    "printf 'build/\\n*.log\\n' >.gitignore; echo kept >kept.log; "
    "git add -A; git add -f kept.log; git commit -qm first; "
)


class Case(NamedTuple):
    """`init`: how the repository is made; none = there is none. `gone`: the change removes it."""

    name: str
    change: str
    setup: str = ""
    init: str = "git init -q ."
    gone: bool = False


CASES = (
    Case("sed in place", "sed -i s/7/seven/ numbers"),
    Case("a formatter", r"find . -name five -o -name letters | xargs sed -i 's/^/    /'; echo >>numbers"),
    Case(
        "a package manager",
        "mkdir -p node_modules/x vendor; for n in $(seq 30); do seq $n >vendor/$n; done; seq 99 >a.lock",
    ),
    Case("a rename", "git mv numbers counted"),
    Case("a rename by hand with edits", "mv numbers dir/moved; sed -i 5d dir/moved; echo x >>dir/moved"),
    Case("a deletion", "rm numbers; rm -r dir"),
    Case("only the mode", "chmod +x run"),
    Case(
        "a new link, another one elsewhere, a link to a file",
        "ln -s dir d2; ln -sfn numbers link; rm letters; ln -s run letters",
    ),
    Case("a link becomes a file", "rm link; cp numbers link"),
    Case("binary", "head -c 5000 /dev/urandom >random; head -c 100 /dev/zero >zeros; printf 'a\\0b' >letters"),
    Case("no newline at the end", "printf 'no end at all' >noend; printf 'a\\nb' >letters"),
    Case("CRLF", "printf 'one\\r\\nthree\\r\\n' >crlf; sed -i 's/$/\\r/' letters"),
    Case(
        "CRLF that git makes LF",
        "sed -i 's/$/\\r/' dir/five; echo 6 >>dir/five",
        "echo '* text=auto' >.gitattributes; git add -A; git commit -qm text",
    ),
    Case("empty files", ": >letters; : >new; echo x >empty"),
    Case(
        "strange names",
        "echo 1 >'with space'; echo 1 >'quo\"te'; echo 1 >\"it's\"; printf 1 >$'new\\nline'; "
        "echo 1 >$'caf\\xe9'; echo 1 >$'tab\\t'; echo 1 >-h; echo 1 >./--all; echo 1 >'back\\slash'; echo 1 >' '; "
        "echo 1 >ümlaut; echo 1 >':(glob)x'; echo 1 >'*'",
    ),
    Case(
        "strange names that change and go",
        "echo 2 >$'caf\\xe9'; rm ./-h; mv 'a b' $'a\\tb'",
        "seq 9 >$'caf\\xe9'; seq 9 >./-h; seq 9 >'a b'; git add -A; git commit -qm names",
    ),
    Case("a file becomes a folder", "rm numbers; mkdir numbers; seq 3 >numbers/inside"),
    Case("a folder becomes a file", "rm -r dir; seq 3 >dir"),
    Case(
        "a nested repository",
        "git -C sub commit -q --allow-empty -m more; echo x >>numbers",
        "git init -q sub; git -C sub commit -q --allow-empty -m inner; git add -A 2>/dev/null; git commit -qm sub",
    ),
    Case(
        "a submodule",
        "echo dirty >lib/file; git -C lib commit -qam moved; echo x >>numbers",
        "git init -q ../other; echo o >../other/file; git -C ../other add -A; git -C ../other commit -qm other; "
        "git -c protocol.file.allow=always submodule --quiet add ../other lib; git commit -qm submodule",
    ),
    Case(
        "attributes: no diff",
        "echo 2 >>numbers; echo 2 >>a.lock",
        "echo '*.lock -diff' >.gitattributes; seq 9 >a.lock; git add -A; git commit -qm a",
    ),
    Case(
        "attributes: textconv and filter",
        "echo 2 >>numbers; echo 2 >>letters",
        "printf 'numbers diff=loud\\nletters filter=loud\\n' >.gitattributes; "
        "git config diff.loud.textconv 'touch ran; cat'; "
        "git config filter.loud.clean cat; git add -A; git commit -qm a",
    ),
    Case("ignored but tracked", "echo more >>kept.log; mkdir build; touch build/out other.log"),
    Case("what was ignored is so no more", "echo >.gitignore", "echo x >a.log"),
    Case(
        "a switch of branches",
        "git switch -q other",
        "git switch -qc other; seq 50 >theirs; sed -i 3d numbers; git rm -q letters; "
        "git add -A; git commit -qm other; git switch -q -",
    ),
    Case("a commit", "echo x >>numbers; git commit -qam second; echo y >>letters"),
    Case(
        "a rebase",
        "git rebase -q main",
        "git branch -M main; git switch -qc topic; echo t >topic; git add -A; git commit -qm topic; "
        "git switch -q main; sed -i 1d numbers; git commit -qam main; git switch -q topic",
    ),
    Case("a hard reset", "git reset -q --hard HEAD~1", "echo z >>numbers; git commit -qam z"),
    Case(".git is removed", "rm -rf .git; echo x >>numbers; rm letters", gone=True),
    Case(
        ".git is made anew",
        "rm -rf .git; git init -q .; echo x >>numbers; git add -A; git add -f kept.log; git commit -qm new",
        gone=True,
    ),
    Case("sha256", "sed -i s/7/seven/ numbers; git mv letters vowels", init="git init -q --object-format=sha256 ."),
    Case("no repository", "sed -i 3d numbers; mv letters dir/; rm -r empty", init=""),
)


def script(case: Case) -> str:
    """Lays out the repository, in its own folder."""
    folder = case.name.replace(" ", "-").replace(":", "")
    lines = SETUP if case.init else SETUP.partition("git add")[0]
    return f"mkdir -p '{folder}/repo' && cd '{folder}/repo' && {case.init or 'true'} && {lines} {case.setup or 'true'}"


def place(case: Case) -> str:
    """Where it lies, from the workspace."""
    return case.name.replace(" ", "-").replace(":", "") + "/repo"


@dataclasses.dataclass
class Judge:
    """What the repository's own git says of two moments."""

    bench: Bench
    path: str
    ref: str

    async def tree(self) -> str:
        """The tree of this moment."""
        return (await self._run("tree_of")).decode().strip()

    async def numstat(self, before: str, after: str) -> dict[bytes, tuple[str, str, bytes]]:
        """path -> added, removed, old path."""
        fields = iter((await self._git(f"diff --numstat -z -M {before} {after}")).split(b"\0"))
        found = {}
        for field in fields:
            if field:
                added, removed, path = field.split(b"\t", 2)
                old = b"" if path else next(fields)
                found[path or next(fields)] = (added.decode(), removed.decode(), old)
        return found

    async def patch(self, before: str, after: str, options: str = "") -> bytes:
        """The whole diff."""
        return await self._git(f"-c core.quotePath=false diff -M --no-textconv {options} {before} {after}")

    async def _git(self, arguments: str) -> bytes:
        return await self._run(f"GIT_DIR=${{REF:-$(git rev-parse --absolute-git-dir)}} git {arguments} --")

    async def _run(self, command: str) -> bytes:
        ran = await self.bench.run(f"{self.ref}{TREE}{command}", cwd=self.path)
        assert ran.exit.exit_code == 0, ran.output
        return ran.output


def raw(change: spb.FileDiff) -> tuple[bytes, bytes]:
    """The names as bytes."""
    return change.raw_path or change.path.encode(), change.raw_old_path or change.old_path.encode()


async def files(bench: Bench, path: str, before: str, after: str, form: str = "FORM_FILES") -> list[spb.FileDiff]:
    """What DiffSnapshots tells of files."""
    found: list[spb.FileDiff] = []
    totals = None
    async for part in bench.client.diff_snapshots(request(bench, path, before, after, form)):
        assert totals is None
        found += part.files.files
        totals = part.totals if part.HasField("totals") else None
    assert totals is not None
    assert totals == spb.DiffTotals(
        files=len(found), added=sum(file.added for file in found), removed=sum(file.removed for file in found)
    )
    return found


async def patch(bench: Bench, path: str, before: str, after: str, *paths: bytes) -> bytes:
    """The patch that DiffSnapshots sends."""
    parts = []
    async for part in bench.client.diff_snapshots(request(bench, path, before, after, "FORM_PATCH", *paths)):
        assert len(part.patch) <= 64 * 1024
        parts.append(part)
    assert parts[-1].HasField("totals")
    return b"".join(part.patch for part in parts)


def request(bench: Bench, path: str, before: str, after: str, form: str, *paths: bytes) -> spb.DiffSnapshotsRequest:
    """A call."""
    return spb.DiffSnapshotsRequest(
        sandbox_id=bench.sandbox_id,
        path=path,
        from_tree=before,
        to_tree=after,
        paths=paths,
        form=spb.DiffSnapshotsRequest.Form.Value(form),
    )
