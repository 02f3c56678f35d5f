"""Fresh databases: a SQLite file, or one in a Postgres server that this test run starts and ends."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.grounds.ports import spare_port

READY_SECONDS = 30


@dataclass(frozen=True)
class Postgres:
    """A running server, reachable over TCP and by the Unix socket in `folder`. fsync is on: what is told is true."""

    port: int
    folder: Path

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """An empty database while the block runs; yields its SQLAlchemy URL."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self._dsn, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"
        finally:
            with psycopg.connect(self._dsn, autocommit=True) as admin:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    @property
    def _dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server for this run."""
    folder = Path(tempfile.mkdtemp(prefix="lucid-pg-"))
    port = spare_port()
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        initialise = [program("initdb"), "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(unprivileged([*initialise, "--no-locale"]), check=True, capture_output=True, cwd=folder)
        serve = [program("postgres"), "-D", f"{folder}/data", "-p", str(port), "-k", str(folder)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(unprivileged(serve), stdout=log, stderr=log, cwd=folder)
        try:
            wait_until_ready(process, port, folder / "log")
            yield Postgres(port, folder)
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, once in SQLite and once in Postgres."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'lucid.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.fresh_database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The SQLAlchemy URL of an empty Postgres database."""
    with postgres.fresh_database() as url:
        yield url


def program(name: str) -> str:
    """Debian keeps the server's programs off the path, in a folder per version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    assert found, f"{name} is missing: install Debian's package postgresql"
    return found


def unprivileged(command: list[str]) -> list[str]:
    """Postgres refuses to run as root. The server ends with this process, however that ends."""
    as_postgres = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *as_postgres, "--pdeathsig=INT", *command]


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns once the server answers."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"Postgres did not start:\n{log.read_text()[-2000:]}")
