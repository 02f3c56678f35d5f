"""Nodes of loop devices: in a container /dev has those of the day it was made, and the kernel makes more on demand."""

import fcntl
import os
import stat
from pathlib import Path

CONTROL = Path("/dev/loop-control")
CONTROL_NUMBER = os.makedev(10, 237)
LOOP_CTL_GET_FREE = 0x4C82
MAJOR = 7


def make_node() -> None:
    """So that the device that comes next can be opened. Raises OSError where there are none."""
    if not CONTROL.exists():
        os.mknod(CONTROL, 0o600 | stat.S_IFCHR, CONTROL_NUMBER)
    with CONTROL.open("rb") as control:
        number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    node = Path(f"/dev/loop{number}")
    if not node.exists():
        os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(MAJOR, number))
