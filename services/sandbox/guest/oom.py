"""How often the kernel killed for want of memory in our control group (version 2 or 1); 0 where none is seen."""
# ruff: noqa: PTH123

from __future__ import annotations

SOURCES = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def kills() -> int:
    """The counter `oom_kill`."""
    for path in SOURCES:
        try:
            with open(path, "rb") as file:
                for line in file:
                    name, _, value = line.partition(b" ")
                    if name == b"oom_kill":
                        return int(value)
        except (OSError, ValueError):
            continue
    return 0
