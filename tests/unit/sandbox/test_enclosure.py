"""What is seen from inside is judged: each of the twelve settings can fail, and a promise that is not kept is found."""

from typing import Any

import pytest

from services.sandbox.domain.enclosure import Expected, Setting, broken, judge, lacks
from services.sandbox.domain.limits import Limits

GIB = 2**30
EXPECTED = Expected(Limits(memory=2 * GIB, cpus=1.5, pids=512, disk=10 * GIB))
GOOD: dict[str, Any] = {
    "capabilities": {"CapEff": 0, "CapBnd": 0},
    "no_new_privileges": 1,
    "seccomp": 2,
    "ids": [1000] * 6,
    "writes": {"/": 30, "/usr": 30, "/etc": 13},
    "pids": 512,
    "own_nproc": None,
    "memory": 2 * GIB,
    "swap": 2 * GIB,
    "swap_total": 4,
    "cpus": 1.5,
    "disks": {"/workspace": 9 * GIB, "/var/lib/lucid": 9 * GIB},
    "devices": ["lo"],
    "sockets": [],
    "calls": {"io_uring_setup": 1, "unshare(CLONE_NEWUSER)": 1, "socket(AF_ALG)": 97},
}
BAD: list[tuple[Setting, str, Any]] = [
    (Setting.CAPABILITIES, "capabilities", {"CapEff": 0, "CapBnd": 0x200000}),
    (Setting.NEW_PRIVILEGES, "no_new_privileges", 0),
    (Setting.SYSTEM_CALLS, "seccomp", 0),
    (Setting.SYSTEM_CALLS, "calls", {"io_uring_setup": 14}),
    (Setting.SYSTEM_CALLS, "calls", {"unshare(CLONE_NEWUSER)": 0}),
    (Setting.USER, "ids", [1000, 0, 0, 1000, 1000, 1000]),
    (Setting.ROOT, "writes", {"/": 0, "/usr": 30, "/etc": 30}),
    (Setting.PROCESSES, "pids", None),
    (Setting.PROCESSES, "pids", 4096),
    (Setting.MEMORY, "memory", None),
    (Setting.MEMORY, "memory", 3 * GIB),
    (Setting.SWAP, "swap", None),
    (Setting.SWAP, "swap", 4 * GIB),
    (Setting.CPU, "cpus", None),
    (Setting.CPU, "cpus", 2.0),
    (Setting.DISK, "disks", {"/workspace": 250 * GIB}),
    (Setting.NETWORK, "devices", ["lo", "eth0"]),
    (Setting.SOCKETS, "sockets", ["/run/docker.sock"]),
]


def test_all_twelve_hold() -> None:
    findings = judge(GOOD, EXPECTED)
    assert [one.setting for one in findings] == list(Setting)
    assert len(findings) == 12
    assert broken(findings, EXPECTED) == ()
    assert all(one.found for one in findings)


@pytest.mark.parametrize(("setting", "fact", "seen"), BAD)
def test_one_that_does_not_hold_is_found(setting: Setting, fact: str, seen: Any) -> None:
    findings = judge({**GOOD, fact: seen}, EXPECTED)
    assert [one.setting for one in broken(findings, EXPECTED)] == [setting]
    known = Expected(EXPECTED.limits, lacking=frozenset({setting}))
    assert broken(judge({**GOOD, fact: seen}, known), known) == ()


def test_swap_that_a_machine_has_not_needs_no_limit() -> None:
    assert broken(judge({**GOOD, "swap": None, "swap_total": 0}, EXPECTED), EXPECTED) == ()


def test_a_user_namespace_of_its_own_counts_its_processes() -> None:
    assert broken(judge({**GOOD, "pids": None, "own_nproc": 512}, EXPECTED), EXPECTED) == ()


def test_a_kernel_of_its_own_shows_no_limits_and_no_filter() -> None:
    inside = {**GOOD, "seccomp": 0, "pids": None, "memory": None, "cpus": None, "swap": None}
    own = Expected(EXPECTED.limits, own_kernel=True)
    assert broken(judge(inside, own), own) == ()


def test_what_is_missing_in_words() -> None:
    assert lacks(EXPECTED) == ()
    assert lacks(Expected(EXPECTED.limits, frozenset(Setting))) == ("any confinement",)
    some = frozenset({Setting.MEMORY, Setting.SWAP, Setting.CPU, Setting.DISK})
    words = ("limit of memory", "limit of CPU", "enforced limit of disk (it is measured)")
    assert lacks(Expected(EXPECTED.limits, some, measured_disk=True)) == words
    assert lacks(Expected(EXPECTED.limits, frozenset({Setting.SWAP, Setting.DISK}))) == (
        "limit of swap",
        "limit of disk",
    )
