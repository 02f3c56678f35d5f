"""Every way out that we know of, tried from inside a real sandbox: each is refused, and the one who tries sees why."""

import socket
from pathlib import Path

import pytest

from tests.contract.launchers.attacks.arena import Ground

ATTEMPTS = Path(__file__).with_name("escapes.py").read_text()
NO_RIGHT = {"EPERM", "EACCES"}
NOT_THERE = {"ENOENT", "ENOTDIR"}
READ_ONLY = {"EROFS", *NO_RIGHT, *NOT_THERE}
NO_CALL = {"ENOSYS"}
NO_WAY = {"ENETUNREACH", "ECONNREFUSED", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"}
NO_FAMILY = {"EPERM", "EAFNOSUPPORT"}
SPECIAL = {
    "clone3": {"ENOSYS", "EPERM"},
    "x32_calls": {"ENOSYS", "died of 31"},  # SIGSYS
    "old_calls": {"SIGSYS"},
    "names": {"EAI"},
    "memory_of_init": {"EPERM", "EACCES", "EIO"},  # in a container init is the sandbox's own, and knows nothing
    "shared_memory_outside": {"ENOENT"},
    "kill_outside": {"ESRCH", "EPERM"},
    "link_to_system": {"EXDEV", "EROFS", "EPERM"},
    "become_root": {"EPERM", "EINVAL"},
    "become_root_group": {"EPERM", "EINVAL"},
    "binfmt": READ_ONLY,
    "modify_ldt": {"EPERM", "ENOSYS"},
    "iopl": {"EPERM", "ENOSYS"},
    "program_of_init": {"EACCES", "EPERM", "ETXTBSY", "EROFS"},
    "raise_files": {"EPERM", "ValueError: not allowed to raise maximum limit"},
}
QUIET = {"leaked_descriptors", "devices", "docker_socket", "sockets_of_other_sandboxes", "set_user_id_programs"}
QUIET |= {"processes_outside"}
ROADS = {"metadata_service", "metadata_service_6", "internet", "docker_bridge", "loopback_of_host"}
ROADS |= {"zero_address_of_host", "abstract_socket", "addresses_of_host"}
FILES = {"core_pattern", "modprobe_path", "hostname_by_proc", "drop_caches", "panic", "user_namespaces", "forwarding"}
FILES |= {"sysrq", "interrupts", "uevent_helper", "power", "release_agent", "release_agent_1", "more_memory"}
FILES |= {"more_memory_2", "more_processes", "more_processor", "own_control_group", "write_system", "write_etc"}
FILES |= {"write_root", "write_run_folder", "replace_gate", "device_memory", "kernel_messages", "fuse", "kvm"}
FILES |= {"loop_control", "kernel_memory", "shadow", "look_at_outside", "folder_of_service", "memory_of_init"}
FILES |= {"memory_of_helper", "variables_of_helper", "descriptors_of_helper", "root_of_helper"}
SOCKETS = {"packet_socket", "vsock", "crypto_socket", "raw_socket", "raw_socket_6", "netfilter_socket", "xdp_socket"}
SOCKETS |= {"tipc_socket", "bluetooth_socket"}
CALLS = {
    "mount_tmpfs", "mount_bind", "mount_proc", "mount_cgroup", "remount_root_writable", "umount_proc",
    "umount_run_folder", "pivot_root", "fsopen", "open_tree", "move_mount", "mount_setattr", "chroot", "clone_new_user",
    "bpf", "keyctl", "add_key", "request_key", "perf_event_open", "userfaultfd", "fanotify", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "open_by_handle", "name_to_handle", "quotactl", "kernel_log", "init_module",
    "finit_module", "delete_module", "kexec", "reboot", "swapon", "accounting", "clock_settime", "settimeofday",
    "adjtimex", "set_hostname", "kcmp_helper", "process_vm_readv_helper", "process_vm_writev_helper",
    "move_pages_helper", "ptrace_helper", "ptrace_seize_helper", "lookup_dcookie", "vhangup",
    "readable_means_executable", "make_block_device", "make_char_device", "join_groups", "raise_priority",
    "not_the_victim", "descriptor_of_helper", "capabilities", "unshare_mount", "unshare_hostname", "unshare_ipc",
    "unshare_user", "unshare_pid", "unshare_network", "unshare_cgroup", "unshare_time", "unshare_user_and_mount",
    "setns_mnt", "setns_net", "setns_pid", "setns_user", "setns_uts", "setns_ipc",
}  # fmt: skip
EXPECTED = {
    **dict.fromkeys(CALLS, NO_RIGHT),
    **dict.fromkeys(SOCKETS, NO_FAMILY),
    **dict.fromkeys(FILES, READ_ONLY),
    **dict.fromkeys(ROADS, NO_WAY),
    **{key: {"none"} for key in QUIET},
    **SPECIAL,
}


@pytest.fixture(scope="module")
def became(arena: Ground) -> dict[str, str]:
    """What became of every attempt."""
    before = _machine()
    found = arena.escapes()
    assert _machine() == before
    return found


@pytest.mark.parametrize("attempt", sorted(EXPECTED))
def test_is_refused(became: dict[str, str], attempt: str) -> None:
    assert became[attempt] in EXPECTED[attempt]


def test_every_attempt_has_a_case(became: dict[str, str]) -> None:
    assert set(became) == set(EXPECTED)
    assert len(EXPECTED) >= 100


def test_sandbox_and_neighbour_live_on(arena: Ground, became: dict[str, str]) -> None:
    assert became
    assert arena.attacker_lives()
    assert arena.neighbour_lives()


def test_the_attempts_refuse_to_run_outside() -> None:
    assert 'sys.exit("this is for the inside of a sandbox only")' in ATTEMPTS


def _machine() -> tuple[str, ...]:
    """What an escape would have changed."""
    files = ("core_pattern", "hostname", "panic")
    settings = [Path(f"/proc/sys/kernel/{name}").read_text() for name in files]
    return (*settings, socket.gethostname(), Path("/proc/mounts").read_text().split(" /workspace ")[0][:200])
