"""The folder of a sandbox on the host that is mounted at /run/lucid: the socket to the git gate and git's settings."""

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path


class RunFolders:
    """`<data>/run/<short>`, one for each sandbox: the folder is the sandbox's identity. `files`: the same for all."""

    def __init__(self, data_dir: Path, files: tuple[tuple[str, bytes], ...] = ()) -> None:
        self._root = data_dir / "run"
        self._files = files

    def path(self, sandbox_id: str) -> Path:
        """Short, because the path of a socket has at most 107 bytes."""
        return self._root / short_name(sandbox_id)

    def make(self, sandbox_id: str, git_config: tuple[tuple[str, str], ...]) -> Path:
        """Makes it, and writes the git configuration and the files of all."""
        folder = self.path(sandbox_id)
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.mkdir(mode=0o711, exist_ok=True)
        for name, content in (("gitconfig", git_config_text(git_config).encode()), *self._files):
            # A name of its own: two services of one data folder may make it at once.
            unfinished = folder / f"{name}.{secrets.token_hex(4)}"
            unfinished.write_bytes(content)
            unfinished.chmod(0o644)
            unfinished.rename(folder / name)
        return folder

    def remove(self, sandbox_id: str) -> None:
        """With its socket."""
        shutil.rmtree(self.path(sandbox_id), ignore_errors=True)


def short_name(sandbox_id: str) -> str:
    """The name of what belongs to a sandbox in folders of this machine."""
    return hashlib.sha256(sandbox_id.encode()).hexdigest()[:12]


def git_config_text(entries: tuple[tuple[str, str], ...]) -> str:
    """Git's file format: section, subsection in quotes, name; values always quoted."""
    lines = []
    for key, value in entries:
        section, _, rest = key.partition(".")
        subsection, _, name = rest.rpartition(".")
        header = f'[{section} "{_quoted(subsection)}"]' if subsection else f"[{section}]"
        lines.append(f'{header}\n\t{name} = "{_quoted(value)}"\n')
    return "".join(lines)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name of a socket's path that is short however long the path is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listening_socket(path: Path) -> socket.socket:
    """A Unix socket that every user may connect to; it takes the place of an old one in one step."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    with short_path(unfinished) as name:
        listener.bind(name)
    unfinished.chmod(0o666)
    listener.listen(64)
    unfinished.rename(path)
    return listener
