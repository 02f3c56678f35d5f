"""DiffSnapshots and RestoreSnapshot beside the repository's own git, for everything that a step may do to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from lucid.sandbox.v1 import snapshots_pb2 as spb

from tests.contract.launchers.conftest import Bench, sandbox_on, settings_for
from tests.contract.launchers.step_diffs import CASES, Case, Judge, files, patch, place, raw, script

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def level(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place_of_all(level: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    data: Path = tmp_path_factory.mktemp(level)
    async with sandbox_on(settings_for(level, data, memory_limit="512m")) as made:
        yield made


async def ran(bench: Bench, command: str, cwd: str = "") -> None:
    result = await bench.run(command, cwd=cwd or "/workspace")
    assert result.exit.exit_code == 0, result.output


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_step_is_told_as_git_tells_it_and_can_be_taken_back(place_of_all: Bench, case: Case) -> None:
    bench, path = place_of_all, place(case)
    await ran(bench, script(case))
    judge = Judge(bench, path, await reference(bench, case, path))
    before, own_before = (await bench.snapshot(path)).tree, await judge.tree()
    await ran(bench, case.change, path)
    step, own_after = await bench.snapshot(path, before), await judge.tree()
    truth = await judge.numstat(own_before, own_after)
    told = {raw(change): change for change in await files(bench, path, before, step.tree, "FORM_DIFFS")}
    assert {names[0]: (*counts(change), names[1]) for names, change in told.items()} == truth
    assert [change.path for change in step.changes] == [change.path for change in told.values()]
    whole = "".join(change.unified_diff for change in told.values())
    assert whole == (await judge.patch(own_before, own_after)).decode("utf-8", "replace")
    binary = await judge.patch(own_before, own_after, "--binary --full-index")
    assert await patch(bench, path, before, step.tree) == binary
    await there_and_back(bench, path, before, step.tree, judge, own_before, own_after)


async def reference(bench: Bench, case: Case, path: str) -> str:
    """For a judge: a git folder of its own, where the repository's is not there all the time."""
    if case.init and not case.gone:
        return ""
    own = f"/tmp/ref-{path.replace('/', '-')}"
    await ran(bench, f"git --git-dir={own} --work-tree=. init -q; cp -p .git/index {own}/index 2>/dev/null; true", path)
    if case.gone:
        await ran(bench, f"cp -r .git/objects/. {own}/objects/", path)
    return f"REF={own}\n"


def counts(change: spb.FileDiff) -> tuple[str, str]:
    return ("-", "-") if change.binary else (str(change.added), str(change.removed))


async def restore(bench: Bench, path: str, tree: str) -> spb.RestoreSnapshotResponse:
    request = spb.RestoreSnapshotRequest(sandbox_id=bench.sandbox_id, restore_id=bench.key(), path=path, tree=tree)
    return await bench.client.restore_snapshot(request)


async def there_and_back(
    bench: Bench, path: str, before: str, after: str, judge: Judge, own_before: str, own_after: str
) -> None:
    """The files become those of the tree, by git's own judgement too; what is inside of other repositories stays."""
    inner = {"sub", "lib"}
    for tree, own, other in ((before, own_before, own_after), (after, own_after, own_before)):
        done = await restore(bench, path, tree)
        if set(done.left) & inner:
            assert set(done.left) <= inner
            assert {file.path for file in await files(bench, path, done.tree, tree)} == set(done.left)
        else:
            assert (done.tree, list(done.left)) == (tree, [])
            assert await judge.tree() == own
        assert {
            raw(change)[0]: (*counts(change), raw(change)[1]) for change in done.changes if change.path not in inner
        } == {
            name: values
            for name, values in (await judge.numstat(other, own)).items()
            if name.decode("latin-1") not in inner
        }
