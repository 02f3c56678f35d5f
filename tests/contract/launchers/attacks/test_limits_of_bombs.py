"""What wants all of the machine gets its share: a refusal inside, a reason outside, and the neighbour goes on."""

import pytest

from services.rpc.status import RemoteError
from tests.contract.launchers.attacks.arena import Ground

PYTHON = "python3 - <<'END'\n{}\nEND"
MEMORY = PYTHON.format("held = []\nwhile True: held.append(bytearray(1 << 20))")
SHARED_MEMORY = PYTHON.format(
    """
import mmap
held = []
while True:
    held.append(mmap.mmap(-1, 1 << 22))
    for at in range(0, 1 << 22, 4096): held[-1][at] = 1
"""
)
FORKS = PYTHON.format(
    """
import os, time
made = []
try:
    for _ in range(2000):
        pid = os.fork()
        if pid == 0: time.sleep(60)
        made.append(pid)
except OSError as error:
    print(type(error).__name__, len(made) < 200)
for pid in made: os.kill(pid, 9)
for pid in made: os.waitpid(pid, 0)
"""
)
THREADS = PYTHON.format(
    """
import threading
held, go = [], threading.Event()
try:
    for _ in range(2000):
        held.append(threading.Thread(target=go.wait)); held[-1].start()
except RuntimeError as error:
    print("refused", len(held) < 200)
go.set()
"""
)
OPEN_FILES = PYTHON.format(
    """
import errno
held = []
try:
    while True: held.append(open('/dev/null'))
except OSError as error:
    print(errno.errorcode[error.errno], len(held) <= 8192)
"""
)
WATCHES = PYTHON.format(
    """
import ctypes, errno
libc, made = ctypes.CDLL(None, use_errno=True), 0
while made < 100000 and libc.inotify_init() >= 0: made += 1
print(errno.errorcode.get(ctypes.get_errno()), made < 100000)
"""
)
LOCKED_MEMORY = PYTHON.format(
    """
import ctypes, errno, mmap
libc, held = ctypes.CDLL(None, use_errno=True), mmap.mmap(-1, 200 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(held))
print(errno.errorcode.get(ctypes.get_errno()) if libc.mlock(ctypes.c_void_p(address), 200 << 20) else "locked")
"""
)
SEGMENTS = PYTHON.format(
    """
import ctypes, errno
libc, made = ctypes.CDLL(None, use_errno=True), []
while len(made) < 20000:
    found = libc.shmget(0, 4096, 0o1600)
    if found < 0: break
    made.append(found)
print(errno.errorcode.get(ctypes.get_errno()), len(made) < 20000)
for found in made: libc.shmctl(found, 0, None)
"""
)
PIPES = PYTHON.format(
    """
import errno, fcntl, os
held = []
try:
    while len(held) < 4000:
        held.append(os.pipe()); fcntl.fcntl(held[-1][1], 1031, 1 << 20); os.set_blocking(held[-1][1], False)
        os.write(held[-1][1], b'x' * (1 << 20))
except OSError as error:
    print(errno.errorcode[error.errno])
"""
)
CORE = (
    "ulimit -c unlimited 2>/dev/null || echo refused; cd /workspace; sh -c 'kill -SEGV $$'; ls core* 2>/dev/null; true"
)
TMP = "head -c 2G /dev/zero >/tmp/full; echo code $?; rm -f /tmp/full"
DEEP = PYTHON.format(
    """
import errno, os
os.chdir('/workspace'); made = 0
try:
    while made < 300: os.mkdir('d'); os.chdir('d'); made += 1
except OSError as error:
    print(errno.errorcode[error.errno])
print('made', made)
"""
)


@pytest.fixture(autouse=True)
def neighbour_goes_on(arena: Ground) -> object:
    yield
    assert arena.attacker_lives()
    assert arena.neighbour_lives()


@pytest.mark.parametrize("bomb", [MEMORY, SHARED_MEMORY], ids=["private", "shared"])
def test_memory(arena: Ground, bomb: str) -> None:
    ran = arena.run(bomb)
    assert ran.reason == "REASON_OOM"
    assert (ran.exit.signal or ran.exit.exit_code) in ("SIGKILL", 137)


def test_memory_by_many_processes(arena: Ground) -> None:
    """Each is small; together they are too much."""
    ran = arena.run(
        "for n in $(seq 12); do python3 -c 'held = bytearray(40 << 20); input()' </dev/zero & done; wait -n; wait"
    )
    assert ran.reason in ("REASON_OOM", "REASON_EXITED")
    assert b"Killed" in ran.output or ran.reason == "REASON_OOM"


def test_memory_by_the_tmp_folder(arena: Ground) -> None:
    ran = arena.run(TMP)
    assert ran.reason == "REASON_OOM" or b"code 0" not in ran.output


def test_processes(arena: Ground) -> None:
    assert arena.run(FORKS).output == b"BlockingIOError True\n"


def test_threads(arena: Ground) -> None:
    assert arena.run(THREADS).output == b"refused True\n"


def test_a_fork_bomb_is_cleared(arena: Ground) -> None:
    ran = arena.run("bomb() { bomb | bomb & }; bomb; sleep 60", timeout_ms=1500)
    assert ran.reason in ("REASON_TIMEOUT", "REASON_LIMIT", "REASON_DISK", "REASON_EXITED")
    arena.arena.run(arena.attacker.stop())
    arena.arena.run(arena.attacker.until("[ $(ls -d /proc/[0-9]* | wc -l) -lt 20 ]"))


def test_open_files(arena: Ground) -> None:
    assert arena.run(OPEN_FILES).output == b"EMFILE True\n"


def test_watches(arena: Ground) -> None:
    assert arena.run(WATCHES).output in (b"EMFILE True\n", b"ENOSPC True\n", b"ENFILE True\n")


def test_locked_memory(arena: Ground) -> None:
    assert arena.run(LOCKED_MEMORY).output in (b"EPERM\n", b"ENOMEM\n", b"EAGAIN\n")


def test_segments_of_shared_memory(arena: Ground) -> None:
    assert arena.run(SEGMENTS).output == b"ENOSPC True\n"


def test_pipes(arena: Ground) -> None:
    ran = arena.run(PIPES)
    assert ran.reason == "REASON_OOM" or ran.output in (b"EMFILE\n", b"EPERM\n", b"EAGAIN\n")


def test_no_memory_is_written_out(arena: Ground) -> None:
    assert b"core" not in arena.run(CORE).output


def test_disk(arena: Ground) -> None:
    """Who keeps too much is ended; nothing more is written until there is less; deleting works."""
    ran = arena.run("for n in $(seq 45); do head -c 10000000 /dev/zero >many$n; done; exec sleep 40")
    assert ran.reason == "REASON_DISK"
    with pytest.raises(RemoteError) as refused:
        arena.arena.run(arena.attacker.create("more", "text"))
    assert refused.value.reason == "DISK_FULL"
    assert b"No space" not in arena.run("rm /workspace/many*").output
    arena.arena.run(arena.attacker.create("more", "text"))


def test_one_large_file(arena: Ground) -> None:
    ran = arena.run("head -c 300000000 /dev/zero >/workspace/large; code=$?; sleep 15; exit $code")
    arena.run("rm -f /workspace/large")
    assert ran.reason == "REASON_DISK" or ran.exit.exit_code != 0


def test_processor(arena: Ground) -> None:
    """Half a core was allowed; four that want one each get it together."""
    loop = "import time\\nend = time.monotonic() + 1\\nwhile time.monotonic() < end: pass\\nprint(time.process_time())"
    # A file each: lines of programs that print at once may run into each other.
    ran = arena.run(f"for n in 1 2 3 4; do printf '{loop}' | python3 - >/tmp/time.$n & done; wait; cat /tmp/time.*")
    times = [float(line) for line in ran.output.split()]
    assert len(times) == 4
    assert sum(times) < 1.0


def test_output(arena: Ground) -> None:
    """The flood is counted; its beginning and end are kept."""
    ran = arena.run("yes lucid | head -c 7999998")
    assert (ran.exit.total_bytes, ran.exit.truncated) == (7_999_998, True)
    assert ran.exit.head.startswith(b"lucid\n")
    assert ran.exit.tail.endswith(b"lucid\n")


def test_one_line_without_end(arena: Ground) -> None:
    ran = arena.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert (ran.exit.total_bytes, ran.exit.truncated) == (3_000_000, True)


def test_folders_in_folders(arena: Ground) -> None:
    ran = arena.run(DEEP, timeout_ms=20_000)
    assert ran.output.startswith((b"made", b"E"))
    arena.run("rm -rf /workspace/d")


def test_terminals(arena: Ground) -> None:
    ran = arena.run(
        PYTHON.format(
            "import os, errno\nheld=[]\ntry:\n while len(held) < 20000: held.append(os.openpty())\n"
            "except OSError as error: print(errno.errorcode[error.errno])"
        )
    )
    assert ran.output in (b"EMFILE\n", b"ENOSPC\n", b"EIO\n")
