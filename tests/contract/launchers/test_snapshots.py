"""Snapshots, with counts equal to git's own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench, sandbox_on, settings_for

IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.org")
NAMES = st.sampled_from(
    ["a.txt", "b", "dir/c.md", "dir/with space", 'quo"te', "tab\there", "ümlaut", "new\nline", "-h"]
)
TEXT = st.lists(st.sampled_from(["one", "two", "three", "", "x" * 90]), max_size=12).map("\n".join)
CONTENT = st.one_of(
    TEXT.map(lambda text: (text + "\n").encode()), TEXT.map(str.encode), st.binary(max_size=40).map(lambda b: b"\0" + b)
)
TREES = st.dictionaries(NAMES, st.tuples(CONTENT, st.booleans()), max_size=6)


def git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True).stdout


def lay_out(folder: Path, tree: dict[str, tuple[bytes, bool]]) -> None:
    for entry in folder.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name, (content, executable) in tree.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)


def numstat(folder: Path) -> dict[str, tuple[str, str, str]]:
    """What git itself says: path -> added, removed, old path."""
    git(folder, "add", "--all", "--force")
    fields = iter(git(folder, "diff", "--cached", "--numstat", "-z", "-M", "HEAD").split(b"\0"))
    found = {}
    for field in fields:
        if field:
            added, removed, path = field.decode().split("\t", 2)
            old = "" if path else next(fields).decode()
            found[path or next(fields).decode()] = (added, removed, old)
    return found


def counts(change: pb.FileChange) -> tuple[str, str, str]:
    lines = ("-", "-") if change.binary else (str(change.added), str(change.removed))
    return (*lines, change.old_path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES)
async def test_counts_are_those_of_git(
    shared: Bench, before: dict[str, tuple[bytes, bool]], after: dict[str, tuple[bytes, bool]]
) -> None:
    inside = shared.settings.data_dir / "sandboxes" / shared.sandbox_id / "workspace"
    with tempfile.TemporaryDirectory() as reference, tempfile.TemporaryDirectory(dir=inside) as work:
        os.chmod(work, 0o755)  # noqa: PTH101
        lay_out(Path(work), before)
        first = await shared.snapshot(Path(work).name)
        lay_out(Path(work), after)
        second = await shared.snapshot(Path(work).name, first.tree)
        git(Path(reference), "init", "-q")
        lay_out(Path(reference), before)
        git(Path(reference), "add", "--all", "--force")
        git(Path(reference), "commit", "-q", "--allow-empty", "-m", "before")
        lay_out(Path(reference), after)
        assert {change.path: counts(change) for change in second.changes} == numstat(Path(reference))
        assert second.tree == git(Path(reference), "write-tree").decode().strip()
        for change in second.changes:
            body = change.unified_diff.partition("\n@@")[2]
            assert sum(line.startswith("+") for line in body.split("\n")) == change.added
            assert sum(line.startswith("-") for line in body.split("\n")) == change.removed
        await there_and_back(shared, Path(work), first.tree, second.tree)


def give_away(work: Path) -> None:
    """To the sandbox's user: what somebody else has laid out cannot be deleted inside."""
    inside = work.parent.stat()
    for path in (work, *work.rglob("*")):
        os.chown(path, inside.st_uid, inside.st_gid, follow_symlinks=False)


async def there_and_back(bench: Bench, work: Path, first: str, second: str) -> None:
    give_away(work)
    for tree in (first, second):
        done = await bench.client.restore_snapshot(
            spb.RestoreSnapshotRequest(sandbox_id=bench.sandbox_id, restore_id=bench.key(), path=work.name, tree=tree)
        )
        assert (done.tree, list(done.left)) == (tree, [])
        with tempfile.TemporaryDirectory() as judge:
            git(work, f"--git-dir={judge}", "init", "-q")
            git(work, f"--git-dir={judge}", f"--work-tree={work}", "add", "--all", "--force")
            assert git(work, f"--git-dir={judge}", "write-tree").decode().strip() == tree


@pytest.fixture
async def shared(tmp_path: Path) -> object:
    async with sandbox_on(settings_for("bubblewrap", tmp_path)) as bench:
        yield bench


async def changes(bench: Bench, command: str) -> dict[str, pb.FileChange]:
    before = await bench.snapshot("repo")
    ran = await bench.run(command, cwd="repo")
    assert ran.exit.exit_code == 0, ran.output
    return {change.path: change for change in (await bench.snapshot("repo", before.tree)).changes}


async def repository(bench: Bench) -> None:
    ran = await bench.run(
        "git init -q repo && cd repo && seq 1 30 >numbers && printf 'build/\n*.log\n' >.gitignore "
        "&& echo forced >kept.log && git add -f kept.log && git add -A && git commit -qm first && cd .."
    )
    assert ran.exit.exit_code == 0, ran.output


async def test_every_kind_of_change(bench: Bench) -> None:
    await repository(bench)
    await bench.run("cd repo && echo x >mode && echo gone >gone && ln -s numbers link && seq 1 9 >typed")
    found = await changes(
        bench,
        "git mv numbers renamed && sed -i s/7/seven/ renamed && rm gone && chmod +x mode && printf 'no newline' >new "
        "&& head -c 100 /dev/zero >binary && rm typed && ln -s new typed && echo changed >kept.log "
        "&& mkdir build && touch build/out other.log",
    )
    kinds = {path: pb.FileChange.Kind.Name(change.kind) for path, change in found.items()}
    assert kinds == {
        "renamed": "KIND_RENAMED",
        "gone": "KIND_DELETED",
        "mode": "KIND_MODE",
        "new": "KIND_ADDED",
        "binary": "KIND_ADDED",
        "typed": "KIND_MODIFIED",
        "kept.log": "KIND_MODIFIED",
    }
    assert (found["renamed"].old_path, found["renamed"].added, found["renamed"].removed) == ("numbers", 3, 3)
    assert found["new"].unified_diff.endswith("+no newline\n\\ No newline at end of file\n")
    assert (found["binary"].binary, found["binary"].unified_diff.count("Binary files")) == (True, 1)
    assert found["typed"].unified_diff.count("diff --git") == 2
    assert "old mode 100644\nnew mode 100755" in found["mode"].unified_diff


async def test_the_repository_itself_is_left_alone(bench: Bench) -> None:
    await repository(bench)
    state = "cd /workspace/repo && git status --porcelain && find .git -type f | sort && git rev-parse HEAD"
    before = await bench.run(state)
    snapshot = await bench.snapshot("repo")
    assert (await bench.run(state)).output == before.output
    assert snapshot.head_commit == before.output.decode().split()[-1]


async def test_nothing_that_the_repository_brings_along_is_run(bench: Bench) -> None:
    await repository(bench)
    await bench.run(
        "cd repo && printf '* filter=evil diff=evil\n' >.gitattributes && mkdir -p hooks "
        "&& printf '#!/bin/sh\ntouch /workspace/RAN\n' >hooks/post-index-change "
        "&& cp hooks/post-index-change hooks/monitor "
        "&& chmod +x hooks/* && cat >>.git/config <<'END'\n[core]\n\thooksPath = hooks\n\tfsmonitor = hooks/monitor\n"
        '[filter "evil"]\n\tclean = touch /workspace/RAN; cat\n[diff "evil"]\n\ttextconv = touch /workspace/RAN; cat\n'
        "\tcommand = touch /workspace/RAN\nEND\ncp .git/config ~/.gitconfig"
    )
    found = await changes(bench, "echo more >>numbers")
    assert (found["numbers"].added, found["numbers"].removed) == (1, 0)
    assert (await bench.run("[ -e /workspace/RAN ]")).exit.exit_code == 1


async def test_what_is_too_large_is_cut_and_counted_rightly(bench: Bench) -> None:
    await repository(bench)
    found = await changes(bench, "seq 1 200000 >large")
    assert (found["large"].added, found["large"].truncated) == (200_000, True)
    assert 200_000 < len(found["large"].unified_diff) <= 256 * 1024
    before = await bench.snapshot("repo")
    await bench.run("cd /workspace/repo && for n in $(seq 600); do echo $n >file$n; done")
    after = await bench.snapshot("repo", before.tree)
    assert (len(after.changes), after.truncated) == (500, True)


async def test_a_nested_repository_without_a_commit_does_not_stop_it(bench: Bench) -> None:
    await repository(bench)
    found = await changes(bench, "git init -q inner && touch inner/file && echo more >>numbers")
    assert found["numbers"].added == 1


async def test_a_folder_that_is_no_repository_and_a_tree_that_is_not_known(bench: Bench) -> None:
    await bench.create("file", "text\n")
    snapshot = await bench.snapshot()
    assert (len(snapshot.tree), snapshot.head_commit) == (40, "")
    with pytest.raises(RemoteError) as refused:
        await bench.snapshot(since="0" * 40)
    assert refused.value.reason == "TREE_NOT_FOUND"
