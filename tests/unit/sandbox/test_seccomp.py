"""The list of system calls: what the compiled filter answers, for both kinds of machine, by running it here."""

import errno
import struct

import pytest

from services.sandbox.backends.seccomp import bpf, profile

ALLOW, EPERM, ENOSYS, KILL = bpf.RETURN_ALLOW, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, bpf.RETURN_KILL_PROCESS
CLONE_NEWUSER, CLONE_VM = 0x10000000, 0x100
REFUSED = (
    "mount", "umount2", "pivot_root", "unshare", "setns", "bpf", "keyctl", "add_key", "request_key", "perf_event_open",
    "userfaultfd", "pidfd_getfd", "process_vm_readv", "process_vm_writev", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "kcmp", "chroot", "reboot", "init_module", "finit_module", "delete_module", "kexec_load",
    "open_by_handle_at", "name_to_handle_at", "swapon", "acct", "settimeofday", "clock_settime", "clock_adjtime",
    "adjtimex", "quotactl", "syslog", "modify_ldt", "iopl", "ioperm", "fsopen", "fsmount", "move_mount", "open_tree",
    "mount_setattr", "fanotify_init", "sethostname", "vhangup", "move_pages", "migrate_pages", "personality_of_others",
)  # fmt: skip


def answer(code: bytes, machine: str, number: int, *arguments: int) -> int:
    """What the kernel would do: one call, through the program."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, bpf.ARCHITECTURES[machine], 0, *words)
    at = held = 0
    while True:
        operation, if_true, if_false, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if operation == bpf.RETURN:
            return int(value)
        if operation == bpf.LOAD:
            (held,) = struct.unpack_from("=I", data, value)
        elif operation == bpf.AND:
            held &= value
        else:
            holds = {
                bpf.JUMP_EQUAL: held == value,
                bpf.JUMP_GREATER: held > value,
                bpf.JUMP_GREATER_OR_EQUAL: held >= value,
            }[operation]
            at += if_true if holds else if_false


@pytest.fixture(params=profile.NUMBERED)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_rule_is_what_the_filter_does(machine: str) -> None:
    known, code = profile.numbers(machine), bpf.program(machine)
    conditional = {name for rule in profile.rules() if rule.conditions or rule.errno for name in rule.names}
    for rule in profile.rules():
        for name in rule.names:
            if name in known and not rule.conditions:
                assert answer(code, machine, known[name]) == (0x50000 | rule.errno if rule.errno else ALLOW), name
    listed = {known[name] for rule in profile.rules() for name in rule.names if name in known}
    for number in range(max(known.values()) + 1):
        if number not in listed:
            assert answer(code, machine, number) == EPERM, number
    assert conditional == {"socket", "socketpair", "clone", "clone3", "personality"}


def test_what_opens_doors_into_the_kernel_is_not_on_the_list() -> None:
    named = {name for rule in profile.rules() for name in rule.names}
    assert named.isdisjoint(REFUSED)


def test_sockets_are_unix_ip_and_routing(machine: str) -> None:
    number, code = profile.numbers(machine)["socket"], bpf.program(machine)
    let = {family for family in range(50) if answer(code, machine, number, family, 3, 0) == ALLOW}
    assert let == {1, 2, 10, 16}
    assert answer(code, machine, number, 16, 3, 12) == EPERM  # NETLINK_NETFILTER
    assert answer(code, machine, number, 38, 5, 0) == EPERM  # AF_ALG
    assert answer(code, machine, number, 2**32 + 1, 1, 0) == EPERM


def test_threads_but_no_namespaces(machine: str) -> None:
    known, code = profile.numbers(machine), bpf.program(machine)
    assert answer(code, machine, known["clone"], CLONE_VM | 17) == ALLOW
    for bit in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(code, machine, known["clone"], CLONE_VM | bit) == EPERM
    assert answer(code, machine, known["clone3"], 0) == ENOSYS


def test_what_came_later_does_not_exist_and_strangers_die(machine: str) -> None:
    code, last = bpf.program(machine), max(profile.numbers(machine).values())
    assert answer(code, machine, last + 1) == ENOSYS
    assert answer(code, machine, 0x40000000) == ENOSYS  # x32
    foreign = bpf.program({"x86_64": "aarch64", "aarch64": "x86_64"}[machine])
    assert answer(foreign, machine, profile.numbers(machine)["read"]) == KILL


def test_a_machine_without_numbers_has_no_filter() -> None:
    assert not bpf.is_known("riscv64")
    with pytest.raises(KeyError):
        bpf.program("riscv64")
