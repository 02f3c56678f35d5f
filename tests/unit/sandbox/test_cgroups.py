"""Control groups of version 2 and 1, as files: which are found, what is written, that nothing is left."""

import os
from pathlib import Path

import pytest

from services.sandbox.backends.cgroups import ControlGroups
from services.sandbox.domain.limits import Limits, size_of

LIMITS = Limits(memory=2**28, cpus=1.5, pids=100, disk=0)
UNIFIED = "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
APART = (
    "31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 20 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "33 20 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)


def system(tmp_path: Path, mountinfo: str, own: str) -> Path:
    """A machine's /proc and /sys, as far as they are looked at."""
    root = tmp_path / "system"
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    (root / "proc/self/cgroup").write_text(own)
    for line in mountinfo.splitlines():
        (root / line.split()[4].lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root


def test_version_2_below_the_group_that_was_delegated(tmp_path: Path) -> None:
    root = system(tmp_path, UNIFIED, "0::/system.slice/lucid.service\n")
    top, own = root / "sys/fs/cgroup", root / "sys/fs/cgroup/system.slice/lucid.service"
    own.mkdir(parents=True)
    (top / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (own / "cgroup.subtree_control").write_text("cpu memory pids\n")  # the top has none: it is not ours
    groups = ControlGroups(tmp_path / "data", root)
    [home] = groups._found()
    assert (home.path.parent, home.controllers, home.inside) == (own, ("memory", "pids", "cpu"), "/sys/fs/cgroup")
    assert groups.controllers() == {"memory", "pids", "cpu"}


def test_version_1_has_a_group_in_each_hierarchy(tmp_path: Path) -> None:
    root = system(tmp_path, APART, "4:memory:/\n3:pids:/\n2:cpu,cpuacct:/\n")
    groups = ControlGroups(tmp_path / "data", root)
    assert groups.controllers() == {"memory", "pids", "cpu"}
    groups.make("sbx_1", LIMITS)
    memory, pids, cpu = (Path(outside) for outside, _ in groups.seen_inside("sbx_1"))
    assert (memory / "memory.limit_in_bytes").read_text() == (memory / "memory.memsw.limit_in_bytes").read_text()
    assert (memory / "memory.limit_in_bytes").read_text() == str(2**28)
    assert (pids / "pids.max").read_text() == "100"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "150000"
    assert [inside for _, inside in groups.seen_inside("sbx_1")] == [
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup/cpu",
    ]
    assert groups.join("sbx_1")[4:-1] == [str(group / "cgroup.procs") for group in (memory, pids, cpu)]
    assert groups.survey() == {"sbx_1"}


def test_where_none_can_be_made_there_are_none(tmp_path: Path) -> None:
    groups = ControlGroups(tmp_path / "data", system(tmp_path, "", ""))
    groups.make("sbx_1", LIMITS)
    groups.remove("sbx_1")
    assert (groups.controllers(), groups.join("sbx_1"), groups.survey()) == (frozenset(), [], set())


def test_the_kernel_takes_the_limits_and_nothing_is_left(tmp_path: Path) -> None:
    groups = ControlGroups(tmp_path)
    may_make = {"memory", "pids", "cpu"} if os.geteuid() == 0 else groups.controllers()
    assert groups.controllers() == may_make
    groups.make("sbx_1", LIMITS)
    homes = [home.path for home in groups._found()]
    assert {entry.name for home in homes for entry in home.iterdir() if entry.is_dir()} == (
        {"sbx_1"} if may_make else set()
    )
    groups.remove("sbx_1")
    groups.remove("sbx_1")
    assert not [home for home in homes if home.exists()]


@pytest.mark.parametrize(
    ("text", "size"), [("2g", 2**31), ("512M", 2**29), ("1.5g", 3 * 2**29), ("7", 7), ("1kb", 1024)]
)
def test_sizes(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1g", "2x", "two"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_of(text)
