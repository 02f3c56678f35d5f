"""Postgres and Redis that can be crashed and started again on what they had on disk."""

import asyncio
import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.grounds.databases import program, unprivileged, wait_until_ready
from tests.grounds.ports import spare_port

REDIS_READY_SECONDS = 10.0


class PostgresServer:
    """A server of our own in a fresh folder. fsync is on: what it has told is true after a crash."""

    def __init__(self) -> None:
        self.port = spare_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lucid-pg-"))
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, port: int = 0) -> str:
        """SQLAlchemy's, through another port if one is given."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{port or self.port}/{database}"

    def dsn(self, database: str) -> str:
        """libpq's."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def initialise(self, *databases: str) -> None:
        """Makes the cluster, starts it and makes the databases."""
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        made = [program("initdb"), "-D", f"{self.folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(unprivileged([*made, "--no-locale"]), check=True, capture_output=True, cwd=self.folder)
        self.start()
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as admin:
            for database in databases:
                admin.execute(f'CREATE DATABASE "{database}"')

    def start(self) -> None:
        """Returns once it answers, after the recovery that a crash makes needful."""
        serve = [program("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port), "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(unprivileged(serve), stdout=log, stderr=log, cwd=self.folder)
        wait_until_ready(self._process, self.port, self.folder / "log")

    def crash(self) -> None:
        """The first half of `pg_ctl restart -m immediate`: nothing is finished, nothing is flushed."""
        stop = [program("pg_ctl"), "stop", "-D", f"{self.folder}/data", "-m", "immediate"]
        subprocess.run(unprivileged(stop), check=True, capture_output=True, cwd=self.folder)
        assert self._process is not None
        self._process.wait(20)

    def remove(self) -> None:
        """Ends it, with its data."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer:
    """A server that keeps nothing: it comes back empty, as after `FLUSHALL`."""

    def __init__(self) -> None:
        self.port = spare_port()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        self._spawn()
        async with asyncio.timeout(REDIS_READY_SECONDS):
            while not await self._answers():  # noqa: ASYNC110 another process does not tell
                await asyncio.sleep(0.02)

    def _spawn(self) -> None:
        serve = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *serve], stdout=quiet, stderr=quiet, cwd="/")

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(b"PING\r\n")
            answer = await reader.readline()
            writer.close()
            return answer.startswith(b"+PONG")
        return False

    def kill(self) -> None:
        """Everything in it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
