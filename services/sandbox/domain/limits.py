"""How much of the machine a sandbox may have."""

import re
from dataclasses import dataclass
from enum import Enum

MOST_MEMORY_FILES = 2**30
LEAST_DISK = 32 * 2**20  # a file system of its own needs some of it for itself
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class Quota(Enum):
    """Who keeps a sandbox to its limit of disk: nobody but a measurement, a file system of its own, or the engine's."""

    NONE = "none"
    LOOPBACK = "loopback"
    XFS = "xfs"


@dataclass(frozen=True)
class Limits:
    """`memory` and `disk` in bytes, `cpus` in cores, `pids` in processes and threads. `disk` 0: as much as there is."""

    memory: int
    cpus: float
    pids: int
    disk: int

    @property
    def memory_files(self) -> int:
        """Bytes that /tmp may hold, which is memory: a full one must leave room for the helper."""
        return min(MOST_MEMORY_FILES, self.memory // 2)

    @property
    def shared_memory(self) -> int:
        """Bytes of /dev/shm and of segments, which stay when their makers are dead."""
        return min(MOST_MEMORY_FILES // 4, self.memory // 8)


def size_of(text: str) -> int:
    """Bytes of "2g", "512m", "1.5g", "1024". Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)b?", text.strip().lower())
    if found is None:
        msg = f"{text!r} is not a size: write it like 512m, 2g or 1.5g"
        raise ValueError(msg)
    return int(float(found[1]) * UNITS[found[2]])
