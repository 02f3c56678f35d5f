"""The road from a sandbox to the gate, as the sandbox service lays it: it says which session it serves."""

import asyncio
import contextlib
import os
from pathlib import Path

from tests.grounds.ports import spare_port

KEY = "internal-key-of-the-tests"
SESSION = "ses_01JQ0000000000000000000000"


class GateRoad:
    """Listens on 127.0.0.1 and leads to the gate's socket."""

    def __init__(self, gate: Path, session_id: str = SESSION, key: str = KEY) -> None:
        self.gate, self.session_id, self.key = gate, session_id, key
        self.port = 0

    async def __aenter__(self) -> "GateRoad":
        self.port = spare_port()
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(str(self.gate))
        writer.write(f"LUCID-GATE/1 {self.session_id} {self.key}\n".encode())
        return reader, writer

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self.connect()
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer), return_exceptions=True)
        writer.close()
        up_writer.close()

    async def raw(self, request: bytes) -> bytes:
        """Bytes in, everything that comes back out, without any client that would tidy them."""
        reader, writer = await self.connect()
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            writer.write_eof()
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class Workshop:
    """A stand-in for the sandbox: stock git with the configuration that the gate's opening gave."""

    def __init__(self, folder: Path, config: dict[str, str], road: GateRoad) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for key, value in config.items():
            base, _, variable = key.removeprefix("url.").rpartition(".")
            base = base.replace("127.0.0.1:3129", f"127.0.0.1:{road.port}")
            lines.append(f'[url "{base}"]\n\t{variable} = {value}\n')
        (folder / "gitconfig").write_text("".join(lines))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_SYSTEM": str(folder / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            **{f"GIT_{who}_NAME": "Agent" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "agent@lucid.invalid" for who in ("AUTHOR", "COMMITTER")},
        }

    async def git(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
        """Exit code, and both streams together."""
        child = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=cwd or self.folder,
            env=self.environment | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await child.communicate()
        assert child.returncode is not None
        return child.returncode, out.decode(errors="replace")

    async def must(self, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
        """The same for what has to succeed."""
        code, out = await self.git(*arguments, cwd=cwd, **environment)
        assert code == 0, out
        return out

    async def commit(self, tree: Path, branch: str, name: str = "note.txt", text: str = "hello\n") -> str:
        """One commit on a branch; its name."""
        await self.must("checkout", "-q", "-B", branch, cwd=tree)
        (tree / name).write_text(text)
        await self.must("add", "--", name, cwd=tree)
        await self.must("commit", "-q", "-m", f"Add {name}", cwd=tree)
        return (await self.must("rev-parse", "HEAD", cwd=tree)).strip()
