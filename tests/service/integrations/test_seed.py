"""The first run's repository: real, with one bug, mended by one edit."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.integrations.settings import Settings
from tests.fakes.git_host import git
from tests.service.integrations.conftest import Site, running_house
from tests.service.integrations.gate_road import SESSION

OLD = '    return f"{minutes}:{rest}"'
NEW = '    return f"{minutes}:{rest:02d}"'


def run_tests(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "unittest"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


async def test_one_test_fails_until_one_line_is_mended(site: Site) -> None:
    tree = await site.clone()
    before = run_tests(tree)
    assert before.returncode == 1
    assert "FAILED (failures=1)" in before.stderr
    assert "test_seconds_have_two_digits" in before.stderr
    clock = tree / "teatime" / "clock.py"
    assert clock.read_text().count(OLD) == 1
    clock.write_text(clock.read_text().replace(OLD, NEW))
    after = run_tests(tree)
    assert after.returncode == 0, after.stderr


async def test_the_whole_road_from_the_edit_to_the_merge(site: Site) -> None:
    tree = await site.clone()
    branch = f"lucid/{SESSION}/pad-the-seconds"
    clock = (tree / "teatime" / "clock.py").read_text().replace(OLD, NEW)
    await site.shop.commit(tree, branch, "teatime/clock.py", clock)
    await site.shop.must("push", "-q", "origin", branch, cwd=tree)
    wish = pb.OpenPullRequestRequest(key="k", session_id=SESSION, title="Pad the seconds", epoch=1)
    opened = (await site.house.service.open_pull_request(wish)).pull_request
    read = await site.house.person.get_pull_request(pb.GetPullRequestRequest(repo=opened.repo, number=opened.number))
    assert (read.pull_request.added, read.pull_request.removed, read.mergeable) == (1, 1, True)
    await site.house.person.merge_pull_request(pb.MergePullRequestRequest(repo=opened.repo, number=opened.number))
    again = site.shop.folder / "again"
    await site.shop.must("clone", "-q", site.clone_url, str(again))
    assert run_tests(again).returncode == 0


async def test_what_the_written_plan_reads_is_there(site: Site) -> None:
    tree = await site.clone()
    assert (tree / "CHANGELOG.md").read_text().count("## Unreleased\n") == 1
    for name in ("README.md", "AGENTS.md", "ISSUE.md"):
        assert (tree / name).is_file()
    assert (await site.shop.must("status", "--porcelain", cwd=tree)) == ""


async def test_the_same_commits_everywhere_and_only_once(settings: Settings, tmp_path: Path) -> None:
    commits = set()
    for folder in ("one", "two", "one"):
        async with running_house(replace(settings, data_dir=tmp_path / folder)):
            pass
        path = tmp_path / folder / "repos" / "lucid" / "teatime.git"
        commits.add(git(path, "rev-parse", "main"))
    assert len(commits) == 1
    assert [path.name for path in (tmp_path / "one" / "repos" / "lucid").iterdir()] == ["teatime.git"]


@pytest.mark.parametrize("seed", [True, False])
async def test_seeded_only_when_asked(settings: Settings, seed: bool) -> None:
    async with running_house(replace(settings, seed=seed)) as house:
        found = await house.person.list_repositories(pb.ListRepositoriesRequest(provider="local"))
        assert len(found.repositories) == int(seed)
