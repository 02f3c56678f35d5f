"""Who may speak to the helper: the service's user outside, and nobody inside."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.sandbox.backends.control import ControlSockets
from services.sandbox.backends.handing import handing_over
from services.sandbox.backends.run_folder import short_name, short_path
from services.sandbox.guest.entrance import receive
from tests.contract.launchers.conftest import Bench

# What a command may try on its parent, the helper, which runs as the same user.
BREAK_IN = """
import ctypes, os, sys
pid = os.getppid()
while b"bash" in open(f"/proc/{pid}/comm", "rb").read():
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
libc = ctypes.CDLL(None, use_errno=True)
for name in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{pid}/{name}", "rb").read(1)
        print("read", name)
    except OSError:
        pass
try:
    print("descriptors", os.listdir(f"/proc/{pid}/fd"))
except OSError:
    pass
if libc.ptrace(0x4206, pid, 0, 0) == 0:
    print("attached")
handle = os.pidfd_open(pid)
for number in range(3, 30):
    taken = libc.syscall(438, handle, number, 0)
    if taken >= 0:
        print("took", number)
print("tried", pid != os.getpid())
"""
CONNECT = """
import os, socket
for folder, _, names in os.walk("/run/lucid"):
    for name in names:
        if name.endswith(".sock"):
            print(name)
print(sum(1 for line in open("/proc/net/unix") if "control" in line))
"""


async def test_no_command_gets_hold_of_the_helper(bench: Bench) -> None:
    await bench.create("break_in.py", BREAK_IN)
    assert (await bench.run("python3 break_in.py")).output == b"tried True\n"


async def test_no_socket_of_the_helper_is_seen_inside(bench: Bench) -> None:
    await bench.create("connect.py", CONNECT)
    assert (await bench.run("python3 connect.py")).output.splitlines()[-1] == b"0"
    assert not [path.name for path in (bench.settings.data_dir / "run").rglob("boot*")]


async def test_no_other_user_of_the_machine_gets_in(bench: Bench) -> None:
    folder = bench.settings.data_dir / "helpers"
    path = folder / short_name(bench.sandbox_id) / "control.sock"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if os.geteuid() == 0:  # as another user, with the folders open: the socket itself refuses
        attempt = f"import socket; socket.socket(socket.AF_UNIX).connect({path.name!r})"
        found = subprocess.run(  # noqa: ASYNC221
            ["setpriv", "--reuid=1000", "--clear-groups", sys.executable, "-c", attempt],
            cwd=path.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Permission" in found.stderr


@pytest.mark.parametrize("word", ["", "x" * 32, "x" * 5000])
async def test_the_entrance_is_handed_to_none_but_the_helper(tmp_path: Path, word: str) -> None:
    entrance = ControlSockets(tmp_path).bind("sbx_x")
    async with handing_over(tmp_path, entrance) as handing:
        for said, got in ((word, False), (handing.token, True)):
            asked = asyncio.to_thread(receive, str(tmp_path / handing.name), said)
            if got:
                (await asked).close()
            else:
                with pytest.raises(OSError, match=r"."):
                    await asked
    entrance.close()


async def test_a_socket_that_nobody_listens_on_is_no_helper(tmp_path: Path) -> None:
    control = ControlSockets(tmp_path)
    assert await control.connect("sbx_x") is None
    control.bind("sbx_x").close()
    assert control.is_there("sbx_x")
    assert await control.connect("sbx_x") is None
    await control.kill("sbx_x")
    listener = control.bind("sbx_x")  # in the stale one's place
    attachment = await control.connect("sbx_x")
    assert attachment is not None
    await attachment.close()
    listener.close()


async def test_garbage_on_the_control_socket_ends_that_connection_only(bench: Bench) -> None:
    path = bench.settings.data_dir / "helpers" / short_name(bench.sandbox_id) / "control.sock"
    helper = await bench.helper()
    for garbage in (b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\0" * 9 + b"\0\0\0\5\0\0\0\1\1{}{}{"):
        with socket.socket(socket.AF_UNIX) as way:
            with short_path(path) as name:
                way.connect(name)
            way.settimeout(10)
            way.sendall(garbage)
            way.shutdown(socket.SHUT_WR)
            assert way.recv(100) == b""
    assert await bench.helper() == helper
