"""A secret that is looked for everywhere afterwards: in files, processes, their memory and whatever was said."""

import base64
import contextlib
import re
import secrets
import string
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote

from docker.models.containers import Container

CHUNK = 8 * 1024 * 1024
MAP = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r.)..")


class Canary:
    """`token`: given, or made to look like GitHub's. `found`: every place it was seen in; it should stay empty."""

    def __init__(self, token: str = "") -> None:
        letters = string.ascii_letters + string.digits
        self.token = token or "ghp_CANARY" + "".join(secrets.choice(letters) for _ in range(30))
        self.forms = forms_of(self.token)
        self.found: list[str] = []
        self.looked_at: set[str] = set()
        self._longest = max(map(len, self.forms.values()))

    def look(self, place: str, data: bytes | str) -> None:
        """Notes every form of the token that the data holds."""
        raw = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        self.looked_at.add(place.partition(":")[0])
        self.found += [f"{place} ({form})" for form, needle in self.forms.items() if needle in raw]

    def look_at_all(self, place: str, texts: Iterable[object]) -> None:
        """As `look`, for a list of messages."""
        for text in texts:
            self.look(place, text if isinstance(text, bytes) else str(text))

    def look_at_folder(self, folder: Path) -> None:
        """All files below; git's objects also as they were before git compressed them."""
        for path in folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_symlink():
                    self.look(f"link:{path}", str(path.readlink()))
                elif path.is_file():
                    data = path.read_bytes()
                    self.look(f"file:{path}", data)
                    self._look_inside(path, data)

    def look_at_processes(self, pids: Iterable[int], memory: bool) -> None:
        """Arguments, environment and, if asked for, all memory that is not a program's own unchanged file."""
        for pid in pids:
            # A process may end while it is looked at.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                for kind in ("cmdline", "environ"):
                    self.look(f"{kind}:{name}", Path(f"/proc/{pid}/{kind}").read_bytes())
                for data in memory_of(pid, self._longest) if memory else ():
                    self.look(f"memory:{name}", data)

    def look_at_container(self, container: Container, folders: Iterable[str]) -> None:
        """What the engine tells of a container, and what lies in some of its folders. It keeps no log of it."""
        self.look("inspect:container", str(container.attrs))
        for folder in folders:
            stream, _ = container.get_archive(folder)
            with tarfile.open(fileobj=cast(IO[bytes], _Joined(stream)), mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    data = content.read() if content else b""
                    self.look(f"container file:{member.name}", member.name.encode() + b"\n" + data)
                    self._look_inside(Path(member.name), data)

    def _look_inside(self, path: Path, data: bytes) -> None:
        if path.parent.parent.name == "objects":
            with contextlib.suppress(zlib.error):
                self.look(f"git object:{path}", zlib.decompress(data))


def forms_of(token: str) -> dict[str, bytes]:
    """The token as itself and in its disguises. Base64 in the three ways in which it can lie between other bytes."""
    raw = token.encode()
    forms = {
        "raw": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "url in part": quote(token.replace("_", "\0")).replace("%00", "%5F").encode(),
        "utf-16": token.encode("utf-16-le"),
    }
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw)
        # The first and the last character also depend on the bytes beside the token.
        kept = whole.rstrip(b"=")[(0, 2, 3)[offset] :]
        forms[f"base64+{offset}"] = kept if (offset + len(raw)) % 3 == 0 else kept[:-1]
    return forms


def memory_of(pid: int, overlap: int) -> Iterator[bytes]:
    """A process's readable memory in pieces that overlap; what it maps unchanged from files is left out."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            match = MAP.match(line)
            is_file = " /" in line
            if match is None or line.endswith(("[vvar]", "[vsyscall]", "[vdso]")) or (is_file and match[3] == "r-"):
                continue
            start, end = int(match[1], 16), int(match[2], 16)
            for begin in range(start, end, CHUNK):
                # Pages that are gone or guarded cannot be read; the next ones can.
                with contextlib.suppress(OSError, ValueError):
                    memory.seek(begin)
                    yield memory.read(min(CHUNK + overlap, end - begin))


def below(pids: Iterable[int]) -> set[int]:
    """All descendants of processes."""
    children: dict[int, set[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, set()).add(int(stat.parent.name))
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        fresh = children.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def naming(folder: Path) -> set[int]:
    """Processes whose arguments name a folder, and all below them: sandboxes are no children of their product."""
    named = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if str(folder).encode() in path.read_bytes():
                named.add(int(path.parent.name))
    return named | below(named)


def with_argument(text: str) -> list[int]:
    """Processes that have this word among their arguments, in whatever sandbox."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if text.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def container_pids(container: Container) -> set[int]:
    """Process ids of a container, as this machine counts them."""
    answer = cast(dict[str, Any], container.top())
    column = answer["Titles"].index("PID")
    return {int(row[column]) for row in answer["Processes"]}


class _Joined:
    """A file made of pieces, as tarfile reads one."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        given, self._rest = self._rest[:size], self._rest[size:]
        return given
