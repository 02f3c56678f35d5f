"""ListSnapshots, DiffSnapshots, RestoreSnapshot: what is kept, what stays, what is refused."""

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.step_diffs import files, patch, request

MAKE = (
    "git init -qb main repo && cd repo && seq 20 >a && mkdir d && echo b >d/b && echo '*.log' >.gitignore "
    "&& echo private >x.log && git add -A && git commit -qm first"
)


async def ok(bench: Bench, command: str, cwd: str = "/workspace/repo") -> bytes:
    ran = await bench.run(command, cwd=cwd)
    assert ran.exit.exit_code == 0, ran.output
    return ran.output


async def restore(bench: Bench, tree: str, key: str = "", **fields: int) -> spb.RestoreSnapshotResponse:
    wish = spb.RestoreSnapshotRequest(
        sandbox_id=bench.sandbox_id, restore_id=key or bench.key(), path="repo", tree=tree, **fields
    )
    return await bench.client.restore_snapshot(wish)


async def listed(bench: Bench, **fields: int | str) -> spb.ListSnapshotsResponse:
    return await bench.client.list_snapshots(
        spb.ListSnapshotsRequest(sandbox_id=bench.sandbox_id, path="repo", **fields)  # type: ignore[arg-type]
    )


async def test_the_list_tells_of_each_tree_with_head_and_branches(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    first = await bench.client.create_snapshot(
        pb.CreateSnapshotRequest(sandbox_id=bench.sandbox_id, path="repo", label="base")
    )
    await bench.snapshot("repo")
    await ok(bench, "git switch -qc topic && echo 21 >>a && git commit -qam second")
    second = await bench.snapshot("repo", first.tree)
    await ok(bench, "git checkout -q --detach && rm d/b")
    third = await bench.snapshot("repo")
    page = await listed(bench, page_size=2)
    rest = await listed(bench, page_size=2, page_token=page.next_page_token)
    found = [*page.snapshots, *rest.snapshots]
    assert [(each.number, each.tree) for each in found] == [(3, third.tree), (2, second.tree), (1, first.tree)]
    assert (bool(page.next_page_token), rest.next_page_token) == (True, "")
    assert [each.head_ref for each in found] == ["", "refs/heads/topic", "refs/heads/main"]
    assert [each.label for each in found] == ["", "", "base"]
    assert dict(found[0].branches) == {"refs/heads/main": first.head_commit, "refs/heads/topic": second.head_commit}
    assert dict(found[2].branches) == {"refs/heads/main": first.head_commit}
    assert all(each.kept and each.create_time.seconds for each in found)
    assert [each.head_commit for each in found] == [third.head_commit, second.head_commit, first.head_commit]


async def test_going_back_leaves_what_is_ignored_and_the_repository_itself(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    before = await bench.snapshot("repo")
    await ok(bench, "sed -i 1d a && mv d/b c && echo more >x.log && mkdir -p n/m && echo n >n/m/n && echo w >w.log")
    await ok(bench, "git add a && git commit -qm mine && git switch -qc elsewhere")
    state = "git rev-parse HEAD && git symbolic-ref HEAD && git ls-files -s && cat x.log w.log"
    kept = await ok(bench, state)
    done = await restore(bench, before.tree)
    assert await ok(bench, state) == kept
    assert await ok(bench, "cat a d/b && ls -A | tr '\\n' ' '") == (
        b"".join(b"%d\n" % n for n in range(1, 21)) + b"b\n.git .gitignore a d w.log x.log "
    )
    assert {change.path: spb.FileDiff.Kind.Name(change.kind) for change in done.changes} == {
        "a": "KIND_MODIFIED",
        "d/b": "KIND_RENAMED",
        "n/m/n": "KIND_DELETED",
    }
    assert (done.totals.files, done.totals.added, done.totals.removed) == (3, 1, 1)
    assert done.changes[0].unified_diff.endswith("@@ -1,3 +1,4 @@\n+1\n 2\n 3\n 4\n")
    assert (await restore(bench, done.tree_before)).tree == done.tree_before
    assert await ok(bench, "cat c n/m/n && [ ! -e d ]") == b"b\nn\n"


async def test_the_same_key_goes_back_once(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    before = await bench.snapshot("repo")
    await ok(bench, "echo 1 >a")
    done = await restore(bench, before.tree, "rewind-1")
    await ok(bench, "echo 2 >a")
    await bench.kill_helper()
    again = await restore(bench, before.tree, "rewind-1")
    assert (done.repeated_call, again.repeated_call) == (False, True)
    again.repeated_call = False
    assert again == done
    assert await ok(bench, "cat a") == b"2\n"


async def test_what_is_ignored_is_not_overwritten_and_that_is_told(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    await ok(bench, "echo t >file && echo u >gone && mkdir e && echo v >e/v")
    before = await bench.snapshot("repo")
    await ok(bench, "rm -r file gone e && printf 'file\\ngone\\ne\\n' >>.gitignore")
    await bench.snapshot("repo")
    await ok(bench, "mkdir file && echo i >file/i && echo mine >gone && echo mine >e")
    done = await restore(bench, before.tree)
    # With .gitignore as it was, what lies in the way is ignored no more.
    assert sorted(done.left) == ["e", "e/v", "file", "file/i", "gone"]
    assert done.tree != before.tree
    assert await ok(bench, "cat file/i gone e .gitignore") == b"i\nmine\nmine\n*.log\n"


async def test_what_cannot_be_written_to_is_told(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    await ok(bench, "mkdir firm && echo f >firm/old")
    before = await bench.snapshot("repo")
    await ok(bench, "rm firm/old && echo n >firm/new && echo 21 >>a && chmod 555 firm")
    done = await restore(bench, before.tree)
    assert sorted(done.left) == ["firm/new", "firm/old"]
    assert [change.path for change in done.changes] == ["a"]
    await ok(bench, "chmod 755 firm")
    assert (await restore(bench, before.tree)).tree == before.tree


async def test_an_owner_of_the_past_and_a_tree_of_elsewhere_are_refused(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    tree = (await bench.snapshot("repo")).tree
    await bench.run("true", epoch=3)
    for wish, reason in (
        (restore(bench, tree, epoch=2), "FENCED"),
        (restore(bench, "0" * 40, epoch=3), "TREE_NOT_FOUND"),
        (restore(bench, "main", epoch=3), "INVALID_REQUEST"),
        (listed(bench, page_token="x"), "INVALID_REQUEST"),
        (files(bench, "repo", "0" * 40, tree), "TREE_NOT_FOUND"),
        (files(bench, "repo", tree, "1" * 40), "TREE_NOT_FOUND"),
        (files(bench, "../etc", tree, tree), "PATH_OUTSIDE_WORKSPACE"),
        (files(bench, "absent", tree, tree), "FILE_NOT_FOUND"),
        (patch(bench, "repo", "", tree, b"a\0b"), "INVALID_REQUEST"),
        (patch(bench, "repo", "", tree, *[b"x" * 4000] * 26), "INVALID_REQUEST"),
    ):
        with pytest.raises(RemoteError) as refused:
            await wish
        assert refused.value.reason == reason


async def test_trees_outlive_the_repository_its_garbage_and_the_sandbox(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    first = await bench.snapshot("repo")
    await ok(bench, "echo second >a && git add a && git commit -qm second")
    second = await bench.snapshot("repo")
    await ok(bench, "git checkout -q --orphan other && git rm -qrf . && echo o >o && git add o && git commit -qm o")
    await ok(bench, "git branch -D main && git reflog expire --expire=now --all && git gc -q --prune=now && rm -r .git")
    await bench.delete(keep_workspace=True)
    await bench.bring_up()
    for tree in (first.tree, second.tree):
        await restore(bench, tree)
        assert (await bench.snapshot("repo")).tree == tree
    assert await ok(bench, "cat a d/b") == b"second\nb\n"
    assert [each.tree for each in (await listed(bench)).snapshots][-2:] == [second.tree, first.tree]


@pytest.mark.timeout(240)
async def test_ten_thousand_files(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    before = await bench.snapshot("repo")
    many = "mkdir many && cd many && seq 10000 | split -l1 -a4 - a-rather-long-name-so-that-one-message-would-not-do-"
    await ok(bench, many)
    after = await bench.snapshot("repo", before.tree)
    assert (len(after.changes), after.truncated) == (500, True)
    found = await files(bench, "repo", before.tree, after.tree, "FORM_DIFFS")
    assert len(found) == 10_000
    assert sum(file.added for file in found) == 10_000
    assert all(file.unified_diff.count("\n+") == 2 and not file.truncated for file in found)
    done = await restore(bench, before.tree)
    assert (done.totals.files, len(done.changes), done.totals.removed) == (10_000, 500, 10_000)
    assert await ok(bench, "ls") == b"a\nd\nx.log\n"


async def test_a_diff_of_any_size_comes_whole_and_only_as_fast_as_it_is_read(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    before = await bench.snapshot("repo")
    await ok(bench, "seq 500000 >huge")
    after = await bench.snapshot("repo", before.tree)
    assert (after.changes[0].added, after.changes[0].truncated) == (500_000, True)
    assert 200_000 < len(after.changes[0].unified_diff) <= 256 * 1024
    whole = await patch(bench, "repo", before.tree, after.tree, b"huge")
    assert whole.count(b"\n+") == 500_001
    assert not await patch(bench, "repo", before.tree, after.tree, b"a")
    # Left in the middle: git does not stay, and the sandbox answers.
    async for part in bench.client.diff_snapshots(request(bench, "repo", before.tree, after.tree, "FORM_PATCH")):
        assert part.patch
        break
    await bench.until("! pgrep -f diff-tree")


async def test_a_file_that_may_not_be_read_does_not_hide_the_others(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    before = await bench.snapshot("repo")
    await ok(bench, "echo s >secret && chmod 0 secret && echo 21 >>a")
    assert [change.path for change in (await bench.snapshot("repo", before.tree)).changes] == ["a"]


async def test_the_whole_since_the_base_comes_with_the_step(bench: Bench) -> None:
    await ok(bench, MAKE, "/workspace")
    base = await bench.snapshot("repo")
    await ok(bench, "sed -i 1d a && echo n >n")
    step = await bench.snapshot("repo", base.tree)
    await ok(bench, "echo 22 >>a")
    wish = pb.CreateSnapshotRequest(sandbox_id=bench.sandbox_id, path="repo", since_tree=step.tree, base_tree=base.tree)
    last = await bench.client.create_snapshot(wish)
    assert [(change.path, change.added, change.removed) for change in last.changes] == [("a", 1, 0)]
    found = last.since_base
    assert [(file.path, file.added, file.removed, file.unified_diff) for file in found.files] == [
        ("a", 1, 1, ""),
        ("n", 1, 0, ""),
    ]
    assert found.totals == spb.DiffTotals(files=2, added=2, removed=1)
