"""What a program that wants out tries. Run inside a sandbox by its python3; prints what became of each as JSON.

Each probe returns the name of the error that stopped it, or a word of its own; "ESCAPED…" if nothing did. Arguments:
pids, ports and addresses of the outside as JSON.
"""

# ruff: noqa: PTH102, PTH104, PTH110, PTH112, PTH115, PTH116, PTH118, PTH119, PTH123, PTH208, SIM115

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import platform
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

if os.getuid() != 1000 or not os.path.isdir("/run/lucid"):
    sys.exit("this is for the inside of a sandbox only")
OUTSIDE: dict[str, Any] = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None, use_errno=True)
HELPER = int(OUTSIDE["helper"])
IS_X86 = platform.machine() == "x86_64"
NUMBERS = {
    "pivot_root": (155, 41), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "finit_module": (313, 273),
    "init_module": (175, 105), "delete_module": (176, 106), "kexec_load": (246, 104), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "quotactl": (179, 60), "fsopen": (430, 430), "open_tree": (428, 428),
    "move_mount": (429, 429), "mount_setattr": (442, 442), "fanotify_init": (300, 262), "syslog": (103, 116),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "clone3": (435, 435),
    "clone": (56, 220), "adjtimex": (159, 171), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "swapon": (167, 224), "acct": (163, 89), "reboot": (169, 142), "setns": (308, 268), "modify_ldt": (154, None),
    "iopl": (172, None), "move_pages": (279, 239), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
    "personality": (135, 92), "process_madvise": (440, 440),
}  # fmt: skip
PROBES: dict[str, Callable[[], str]] = {}


def probe(work: Callable[[], Any]) -> Callable[[], Any]:
    """Registers a function; its name tells what is tried."""
    PROBES[work.__name__] = work
    return work


def call(name: str, *arguments: Any) -> str:
    """A system call by its name."""
    number = NUMBERS[name][0 if IS_X86 else 1]
    if number is None:
        return "ENOSYS"
    return result(LIBC.syscall(number, *arguments))


def result(answer: int) -> str:
    """The error of a C function, or that it worked."""
    return errno.errorcode.get(ctypes.get_errno(), "?") if answer < 0 else f"ESCAPED ({answer})"


def attempt(work: Callable[[], Any]) -> str:
    """The error of a Python function, or that it worked."""
    try:
        return f"ESCAPED ({work()!r})"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)


def write(path: str, text: str = "1") -> str:
    """Writing to a file that is there, or is not."""

    def work() -> None:
        with open(path, "w") as file:
            file.write(text)

    return attempt(work)


def reach(address: str, port: int, family: int = socket.AF_INET) -> str:
    """A connection over TCP."""

    def work() -> None:
        with socket.socket(family, socket.SOCK_STREAM) as way:
            way.settimeout(2)
            way.connect((address, port))

    return attempt(work)


SIMPLE: dict[str, Callable[[], str]] = {
    "mount_tmpfs": lambda: result(LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "mount_bind": lambda: result(LIBC.mount(b"/", b"/tmp", None, 4096, None)),
    "mount_proc": lambda: result(LIBC.mount(b"proc", b"/tmp", b"proc", 0, None)),
    "mount_cgroup": lambda: result(LIBC.mount(b"x", b"/tmp", b"cgroup", 0, b"rdma")),
    "remount_root_writable": lambda: result(LIBC.mount(None, b"/", None, 32, None)),
    "umount_proc": lambda: result(LIBC.umount2(b"/proc", 2)),
    "umount_run_folder": lambda: result(LIBC.umount2(b"/run/lucid", 2)),
    "pivot_root": lambda: call("pivot_root", b"/tmp", b"/tmp"),
    "fsopen": lambda: call("fsopen", b"tmpfs", 0),
    "open_tree": lambda: call("open_tree", -100, b"/", 1),
    "move_mount": lambda: call("move_mount", -100, b"/proc", -100, b"/tmp", 0),
    "mount_setattr": lambda: call("mount_setattr", -100, b"/", 0, bytes(32), 32),
    "chroot": lambda: result(LIBC.chroot(b"/tmp")),
    "clone_new_user": lambda: call("clone", 0x10000000 | 17, 0, 0, 0, 0),
    "clone3": lambda: call("clone3", bytes(88), 88),
    "bpf": lambda: call("bpf", 0, bytes(72), 72),
    "keyctl": lambda: call("keyctl", 0, -3, 1),
    "add_key": lambda: call("add_key", b"user", b"x", b"y", 1, -3),
    "request_key": lambda: call("request_key", b"user", b"x", None, -3),
    "perf_event_open": lambda: call("perf_event_open", bytes(128), 0, -1, -1, 0),
    "userfaultfd": lambda: call("userfaultfd", 0),
    "fanotify": lambda: call("fanotify_init", 0, 0),
    "io_uring_setup": lambda: call("io_uring_setup", 1, bytes(120)),
    "io_uring_enter": lambda: call("io_uring_enter", 0, 0, 0, 0, None, 0),
    "io_uring_register": lambda: call("io_uring_register", 0, 0, None, 0),
    "open_by_handle": lambda: call("open_by_handle_at", -100, bytes(24), 0),
    "name_to_handle": lambda: call("name_to_handle_at", -100, b"/", bytes(128), bytes(4), 0),
    "quotactl": lambda: call("quotactl", 0, None, 0, None),
    "kernel_log": lambda: call("syslog", 3, bytes(100), 100),
    "init_module": lambda: call("init_module", b"x", 1, b""),
    "finit_module": lambda: call("finit_module", 0, b"", 0),
    "delete_module": lambda: call("delete_module", b"x", 0),
    "kexec": lambda: call("kexec_load", 0, 0, None, 0),
    "reboot": lambda: call("reboot", 0xFEE1DEAD, 672274793, 0x89ABCDEF, None),
    "swapon": lambda: call("swapon", b"/workspace/x", 0),
    "accounting": lambda: call("acct", b"/workspace/x"),
    "clock_settime": lambda: call("clock_settime", 0, bytes(16)),
    "settimeofday": lambda: call("settimeofday", bytes(16), None),
    "adjtimex": lambda: call("adjtimex", bytes(208)),
    "set_hostname": lambda: result(LIBC.sethostname(b"owned", 5)),
    "kcmp_helper": lambda: call("kcmp", HELPER, os.getpid(), 0, 0, 0),
    "process_vm_readv_helper": lambda: call("process_vm_readv", HELPER, bytes(16), 1, bytes(16), 1, 0),
    "process_vm_writev_helper": lambda: call("process_vm_writev", HELPER, bytes(16), 1, bytes(16), 1, 0),
    "move_pages_helper": lambda: call("move_pages", HELPER, 0, None, None, None, 0),
    "ptrace_helper": lambda: result(LIBC.ptrace(16, HELPER, None, None)),
    "ptrace_seize_helper": lambda: result(LIBC.ptrace(0x4206, HELPER, None, None)),
    "modify_ldt": lambda: call("modify_ldt", 0, bytes(16), 16),
    "iopl": lambda: call("iopl", 3),
    "lookup_dcookie": lambda: call("lookup_dcookie", 0, bytes(16), 16),
    "vhangup": lambda: call("vhangup"),
    "readable_means_executable": lambda: call("personality", 0x0400000),
    "packet_socket": lambda: attempt(lambda: socket.socket(17, socket.SOCK_RAW, 0)),
    "vsock": lambda: attempt(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "crypto_socket": lambda: attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET)),
    "raw_socket": lambda: attempt(lambda: socket.socket(2, socket.SOCK_RAW, 1)),
    "raw_socket_6": lambda: attempt(lambda: socket.socket(10, socket.SOCK_RAW, 58)),
    "netfilter_socket": lambda: attempt(lambda: socket.socket(16, socket.SOCK_RAW, 12)),
    "xdp_socket": lambda: attempt(lambda: socket.socket(44, socket.SOCK_RAW, 0)),
    "tipc_socket": lambda: attempt(lambda: socket.socket(30, socket.SOCK_SEQPACKET)),
    "bluetooth_socket": lambda: attempt(lambda: socket.socket(31, socket.SOCK_RAW, 1)),
    "memory_of_init": lambda: attempt(lambda: open("/proc/1/mem", "rb").read(1)),
    "memory_of_helper": lambda: attempt(lambda: open(f"/proc/{HELPER}/mem", "rb").read(1)),
    "variables_of_helper": lambda: attempt(lambda: open(f"/proc/{HELPER}/environ", "rb").read()),
    "descriptors_of_helper": lambda: attempt(lambda: os.listdir(f"/proc/{HELPER}/fd")),
    "root_of_helper": lambda: attempt(lambda: os.listdir(f"/proc/{HELPER}/root")),
    "program_of_init": lambda: attempt(lambda: open("/proc/1/exe", "r+b")),
    "kernel_memory": lambda: attempt(lambda: open("/proc/kcore", "rb").read(64) or os.stat("/nowhere")),
    "device_memory": lambda: attempt(lambda: open("/dev/mem", "rb")),
    "kernel_messages": lambda: attempt(lambda: open("/dev/kmsg", "rb")),
    "fuse": lambda: attempt(lambda: open("/dev/fuse", "rb")),
    "kvm": lambda: attempt(lambda: open("/dev/kvm", "rb")),
    "loop_control": lambda: attempt(lambda: open("/dev/loop-control", "rb")),
    "core_pattern": lambda: write("/proc/sys/kernel/core_pattern", "|/workspace/x"),
    "modprobe_path": lambda: write("/proc/sys/kernel/modprobe", "/workspace/x"),
    "binfmt": lambda: write("/proc/sys/fs/binfmt_misc/register", ":x:M::x::/workspace/x:"),
    "hostname_by_proc": lambda: write("/proc/sys/kernel/hostname", "owned"),
    "drop_caches": lambda: write("/proc/sys/vm/drop_caches"),
    "panic": lambda: write("/proc/sys/kernel/panic"),
    "user_namespaces": lambda: write("/proc/sys/user/max_user_namespaces", "100"),
    "forwarding": lambda: write("/proc/sys/net/ipv4/ip_forward"),
    "sysrq": lambda: write("/proc/sysrq-trigger", "h"),
    "interrupts": lambda: write("/proc/irq/0/smp_affinity"),
    "uevent_helper": lambda: write("/sys/kernel/uevent_helper", "/workspace/x"),
    "power": lambda: write("/sys/power/state", "mem"),
    "release_agent": lambda: write("/sys/fs/cgroup/release_agent", "/workspace/x"),
    "release_agent_1": lambda: write("/sys/fs/cgroup/memory/release_agent", "/workspace/x"),
    "more_memory": lambda: write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"),
    "more_memory_2": lambda: write("/sys/fs/cgroup/memory.max", "max"),
    "more_processes": lambda: write("/sys/fs/cgroup/pids/pids.max", "max"),
    "more_processor": lambda: write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
    "own_control_group": lambda: attempt(lambda: os.mkdir("/sys/fs/cgroup/memory/mine")),
    "make_block_device": lambda: attempt(lambda: os.mknod("/workspace/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))),
    "make_char_device": lambda: attempt(lambda: os.mknod("/tmp/mem", stat.S_IFCHR | 0o600, os.makedev(1, 1))),
    "become_root": lambda: attempt(lambda: os.setuid(0)),
    "become_root_group": lambda: attempt(lambda: os.setgid(0)),
    "join_groups": lambda: attempt(lambda: os.setgroups([0, 6, 999])),
    "raise_files": lambda: attempt(lambda: __import__("resource").setrlimit(7, (1 << 20, 1 << 20))),
    "raise_priority": lambda: attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -20)),
    "not_the_victim": lambda: write("/proc/self/oom_score_adj", "-1000"),
    "shadow": lambda: attempt(lambda: open("/etc/shadow").read()),
    "write_system": lambda: write("/usr/bin/lucid-owned"),
    "write_etc": lambda: write("/etc/ld.so.preload", "/workspace/x.so"),
    "write_root": lambda: write("/owned"),
    "write_run_folder": lambda: write("/run/lucid/gitconfig", "[core]"),
    "replace_gate": lambda: attempt(lambda: os.rename("/run/lucid/git.sock", "/run/lucid/away")),
    "link_to_system": lambda: attempt(lambda: os.link("/etc/passwd", "/workspace/passwd")),
    "metadata_service": lambda: reach("169.254.169.254", 80),
    "metadata_service_6": lambda: reach("fd00:ec2::254", 80, socket.AF_INET6),
    "internet": lambda: reach("1.1.1.1", 443),
    "docker_bridge": lambda: reach("172.17.0.1", OUTSIDE["port"]),
    "loopback_of_host": lambda: reach("127.0.0.1", OUTSIDE["port"]),
    "zero_address_of_host": lambda: reach("0.0.0.0", OUTSIDE["port"]),
    "abstract_socket": lambda: attempt(lambda: socket.socket(socket.AF_UNIX).connect("\0" + OUTSIDE["abstract"])),
    "kill_outside": lambda: attempt(lambda: os.kill(OUTSIDE["pid"], 0)),
    "look_at_outside": lambda: attempt(lambda: open(f"/proc/{OUTSIDE['pid']}/cmdline").read() or os.stat("/nowhere")),
    "folder_of_service": lambda: attempt(lambda: os.listdir(OUTSIDE["data"])),
    "shared_memory_outside": lambda: result(LIBC.shmget(OUTSIDE["memory_key"], 0, 0)),
}  # fmt: skip
PROBES.update(SIMPLE)

for _name, _flag in {
    "mount": 0x20000, "hostname": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
    "network": 0x40000000, "cgroup": 0x2000000, "time": 0x80, "user_and_mount": 0x10020000,
}.items():  # fmt: skip
    PROBES[f"unshare_{_name}"] = lambda flag=_flag: result(LIBC.unshare(flag))
for _name in ("mnt", "net", "pid", "user", "uts", "ipc"):

    def _enter(name: str = _name) -> str:
        try:
            fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return call("setns", fd, 0)

    PROBES[f"setns_{_name}"] = _enter


@probe
def addresses_of_host() -> str:
    """Every address that the machine has, at a port where something listens on all of them."""
    answers = {reach(address, OUTSIDE["port"]) for address in OUTSIDE["addresses"]}
    reached = [answer for answer in answers if answer.startswith("ESCAPED")]
    return reached[0] if reached else min(answers, default="ENETUNREACH")


@probe
def names() -> str:
    """A name that is looked up tells somebody."""
    try:
        return f"ESCAPED {socket.getaddrinfo('example.com', 80)}"
    except OSError:
        return "EAI"


@probe
def descriptor_of_helper() -> str:
    """pidfd_getfd."""
    try:
        fd = os.pidfd_open(HELPER)
    except (OSError, AttributeError):
        return "EPERM"
    return call("pidfd_getfd", fd, 3, 0)


@probe
def leaked_descriptors() -> str:
    """Directories and sockets that were left open lead out (CVE-2024-21626)."""
    kinds = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            mode = os.fstat(int(name)).st_mode
            if int(name) > 2 and (stat.S_ISDIR(mode) or stat.S_ISSOCK(mode)):
                kinds[name] = os.readlink(f"/proc/self/fd/{name}")
    kinds = {name: path for name, path in kinds.items() if "/proc/" not in path}
    return f"ESCAPED {kinds}" if kinds else "none"


@probe
def devices() -> str:
    """Nodes that are not for everybody."""
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
    found = []
    for folder, _, entries in os.walk("/dev"):
        for name in entries:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if (stat.S_ISBLK(mode) or stat.S_ISCHR(mode)) and name not in harmless and folder != "/dev/pts":
                found.append(name)
    return f"ESCAPED {found}" if found else "none"


@probe
def docker_socket() -> str:
    """Any socket that answers as an engine, wherever it lies."""
    found = []
    for top in ("/run", "/var/run", "/tmp", "/var/lib", "/dev", "/home", "/root"):
        for folder, _, entries in os.walk(top):
            for name in entries:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    if stat.S_ISSOCK(os.lstat(path).st_mode) and not path.startswith("/run/lucid/"):
                        found.append(path)
    return f"ESCAPED {found}" if found else "none"


@probe
def sockets_of_other_sandboxes() -> str:
    """The run folders of others are not here, and our own holds our own gate only."""
    try:
        names = sorted(name for name in os.listdir("/run/lucid") if name.endswith(".sock"))
    except PermissionError:  # who knows no name finds none
        names = []
    seen = [path for path in OUTSIDE["other_sandbox"] if os.path.exists(path)]
    strangers = [name for name in names if name not in ("git.sock", "egress.sock")]
    return f"ESCAPED {seen or strangers}" if seen or strangers else "none"


@probe
def set_user_id_programs() -> str:
    """No program gives rights: run one that would, where there is one."""
    found = subprocess.run(
        ["find", "/usr", "/bin", "-xdev", "-perm", "/6000", "-type", "f"], capture_output=True, text=True, check=False
    ).stdout.split()
    for program in found:
        if os.path.basename(program) in ("su", "mount", "newgrp", "chsh", "passwd", "sudo"):
            held = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with contextlib.suppress(OSError):
                status = open(f"/proc/{held.pid}/status").read()
                ids = status.partition("Uid:")[2].split()[:4]
                if "0" in ids:
                    held.kill()
                    return f"ESCAPED {program} runs as {ids}"
            held.kill()
            held.wait()
    return "none"


@probe
def old_calls() -> str:
    """Calls of 32 bits go around a filter that looks at numbers of 64: such a program is killed."""
    if not IS_X86:
        return "SIGSYS"
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, getpid; int 0x80; ret
    pid = os.fork()
    if pid == 0:
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ESCAPED"


@probe
def x32_calls() -> str:
    """The third kind of calls of x86_64."""
    return result(LIBC.syscall(0x40000000 | 39)) if IS_X86 else "ENOSYS"


@probe
def capabilities() -> str:
    """Asking for them back."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    wanted = (ctypes.c_uint32 * 6)(0x200000, 0x200000, 0, 0, 0, 0)
    return result(LIBC.capset(header, wanted))


@probe
def processes_outside() -> str:
    """Only our own are seen."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return f"ESCAPED {len(pids)} are seen" if len(pids) > 20 else "none"


def run() -> Iterator[tuple[str, str]]:
    """Each in a process of its own: what it changes in itself, or dies of, is no other's."""
    for name, work in PROBES.items():
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            try:
                answer = work()
            except BaseException as error:
                answer = f"{type(error).__name__}: {error}"
            os.write(write_end, answer.encode()[:2000])
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            answer = pipe.read().decode()
        status = os.waitpid(pid, 0)[1]
        yield name, answer or f"died of {status}"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dict(run())))
