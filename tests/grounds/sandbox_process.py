"""The sandbox service alone: a process that can be killed and started again on its data."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from services.rpc.channels import open_channel
from services.rpc.identity import service_metadata
from services.sandbox.client import SandboxClient
from tests.grounds.processes import Running, as_fork

START_SECONDS = 40


class SandboxProcess:
    """One process at a time; several objects on one data folder are several services of it."""

    def __init__(
        self, backend: str, folder: Path, data_dir: Path, keys: tuple[str, str], gate: str = "", **env: str
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.socket = folder / "rpc.sock"
        self._secret, self._key = keys
        self._env = {
            "PATH": os.environ["PATH"],
            "SESSION_SECRET": self._secret,
            "INTERNAL_API_KEY": self._key,
            "LUCID_DATA_DIR": str(data_dir),
            "SANDBOX_BACKEND": backend,
            "GATE_TARGET": gate,
            "RPC_LISTEN": f"unix:{self.socket}",
            "SANDBOX_POOL_SIZE": "0",
            **env,
        }
        self._process: Running | None = None
        self._log = folder / "log"

    async def start(self) -> None:
        """Returns when it answers."""
        self.socket.unlink(missing_ok=True)
        self._process = as_fork("services.sandbox", self._env, self._log)
        async with open_channel(f"unix:{self.socket}") as channel:
            await asyncio.wait_for(channel.channel_ready(), START_SECONDS)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it; nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait, 20)
            self._process = None

    async def kill(self) -> None:
        """As kill -9."""
        await self.end(signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def client(self, owner: str) -> AsyncIterator[SandboxClient]:
        """A client that acts for the owner; its channel finds the process again after a restart."""
        async with open_channel(f"unix:{self.socket}") as channel:
            yield SandboxClient(channel, service_metadata(self._key, owner))
