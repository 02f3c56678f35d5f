"""Everything a case needs, real and in processes of its own: storage, a sandbox service, integrations, sessions.

Beside them a scripted model and GitHub's stand-in. Between a worker and each of them stands a proxy.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
from lucid.integrations.v1 import integrations_pb2

from services.integrations.client import IntegrationsClient
from services.rpc.channels import open_channel
from services.rpc.identity import sign_access_token, user_metadata
from tests.fakes.model_server import ModelServer
from tests.faults import brain
from tests.faults.conductor import Conductor
from tests.faults.host import Host
from tests.faults.proxy import Proxy
from tests.faults.records import Records
from tests.faults.storage import PostgresServer, RedisServer
from tests.grounds.ports import spare_port
from tests.grounds.processes import Run, Running, as_fork
from tests.grounds.product import SECRETS

READY_SECONDS = 120.0
USER = "usr_faults"
REPOSITORY = "ada/tea"
MODEL = "openai/gpt-5"
TOKEN = "ghp_faults"


class Worker:
    """A place for a sessions process: its address and its proxies stay while processes come and go."""

    def __init__(self, name: str, proxies: dict[str, Proxy]) -> None:
        self.name = name
        self.port = spare_port()
        self.proxies = proxies
        self.process: Running | None = None
        self.stopped = False

    @property
    def runs(self) -> bool:
        """There is a process, awake or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def answers(self) -> bool:
        """Its process is awake and listens."""
        return self.runs and not self.stopped and _accepts(self.port)


class World:
    """Use as a context, on one loop. `sabotage`: see worker.py."""

    def __init__(self, lease_seconds: float = 1.0, workers: int = 2, sabotage: str = "", run: Run = as_fork) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lucid-faults-"))
        self.lease_seconds = lease_seconds
        self._current = self.folder / "current"
        self.begin_records("first")
        self.records = Records(self._current / "world.jsonl")
        self.postgres, self.redis = PostgresServer(), RedisServer()
        self.conductor = Conductor(self.folder / "points.sock")
        self.model = ModelServer(brain.answer)
        (self.folder / "host").mkdir()
        self.host = Host(self.folder / "host", self.conductor)
        self._sabotage, self._run = sabotage, run
        self._deleted: dict[str, float] = {}
        self._ports = {"sandbox": spare_port(), "integrations": spare_port()}
        self._services: dict[str, Running] = {}
        self._names = [f"w{number}" for number in range(1, workers + 1)]
        self.workers: dict[str, Worker] = {}

    async def __aenter__(self) -> "World":
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers.values():
            self._end(worker.process)
            for proxy in worker.proxies.values():
                await proxy.stop()
        for process in self._services.values():
            self._end(process)
        self._end_sandboxes()
        self.redis.kill()
        await asyncio.to_thread(self.postgres.remove)
        await self.conductor.stop()
        if self.host.started:
            await asyncio.to_thread(self.host.__exit__)
            await asyncio.to_thread(self.model.__exit__)
        shutil.rmtree(self.folder, ignore_errors=True)

    def begin_records(self, name: str) -> None:
        """All records go to a fresh folder from now on."""
        folder = self.folder / "records" / name
        folder.mkdir(parents=True)
        link = self.folder / "next"
        link.symlink_to(folder)
        link.rename(self._current)
        self.records_folder, self.log_file = folder, self.folder / f"{name}.logs.jsonl"
        self.log_file.touch()

    async def _start(self) -> None:
        await self.conductor.start()
        self.host.begin(asyncio.get_running_loop())
        self.model.__enter__()
        self.host.add_account("ada", TOKEN)
        self.host.add_repository(REPOSITORY, {"README.md": "Tea.\n"})
        databases = ("sessions", "sandbox", "integrations")
        await asyncio.gather(asyncio.to_thread(self.postgres.initialise, *databases), self.redis.start())
        await asyncio.gather(*map(self.start_service, self._ports))
        self.workers = {name: await self._place(name) for name in self._names}
        # One after the other: the first one makes the tables.
        for worker in self.workers.values():
            await self.start_worker(worker.name)
        await self._connect_account()

    async def _place(self, name: str) -> Worker:
        model = int(self.model.url.rsplit(":", 1)[1])
        targets = {"postgres": self.postgres.port, "redis": self.redis.port, "model": model, **self._ports}
        proxies = {target: Proxy(spare_port(), port) for target, port in targets.items()}
        for proxy in proxies.values():
            await proxy.start()
        return Worker(name, proxies)

    async def start_service(self, name: str) -> None:
        """Sandbox or integrations. Returns once it answers."""
        env = self._environment() | {
            "DATABASE_URL": self.postgres.url(name),
            "RPC_LISTEN": f"127.0.0.1:{self._ports[name]}",
            "SANDBOX_BACKEND": "bubblewrap",
            "SANDBOX_POOL_SIZE": "0",
            **self.host.environment(),
        }

        def spawn() -> Running:
            self._services[name] = self._spawn(name, f"services.{name}", env)
            return self._services[name]

        await self._keep(spawn, self._ports[name], name)

    async def restart_service(self, name: str) -> None:
        """Kills it and starts it again; returns once it answers."""
        self._services[name].kill()
        await asyncio.to_thread(self._services[name].wait, 20)
        await self.start_service(name)

    async def start_worker(self, name: str) -> None:
        """Starts it where it does not run; returns once it answers."""
        worker = self.workers[name]
        if worker.runs:
            return
        proxies, local = worker.proxies, "127.0.0.1"
        env = self._environment() | {
            "DATABASE_URL": self.postgres.url("sessions", proxies["postgres"].port),
            "REDIS_URL": f"redis://{local}:{proxies['redis'].port}/0",
            "SANDBOX_TARGET": f"{local}:{proxies['sandbox'].port}",
            "INTEGRATIONS_TARGET": f"{local}:{proxies['integrations'].port}",
            "OPENAI_BASE_URL": f"http://{local}:{proxies['model'].port}/v1",
            "OPENAI_API_KEY": "sk-test",
            "DEFAULT_MODEL": MODEL,
            "RPC_LISTEN": f"{local}:{worker.port}",
            "FAULTS_POINTS": str(self.conductor.address),
            "FAULTS_WORKER": name,
            "FAULTS_RECORDS": str(self._current / f"{name}.jsonl"),
            "FAULTS_SABOTAGE": self._sabotage,
            "FAULTS_LEASE_SECONDS": str(self.lease_seconds),
        }

        def spawn() -> Running:
            worker.process, worker.stopped = self._spawn(name, "tests.faults.worker", env), False
            return worker.process

        await self._keep(spawn, worker.port, name)

    def _spawn(self, name: str, module: str, env: dict[str, str]) -> Running:
        return self._run(module, env, self.folder / f"{name}.log")

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | SECRETS | {"LUCID_DATA_DIR": str(self.folder / "data")}

    async def _keep(self, spawn: Callable[[], Running], port: int, name: str) -> None:
        """Starts a process and, as a supervisor would, starts it again where it ends: its database may be away."""
        process, ends = spawn(), time.monotonic() + READY_SECONDS
        while not _accepts(port):
            assert time.monotonic() < ends, f"{name} does not start\n{self.log(name)}"
            await asyncio.sleep(0.05)
            # One that is killed while it starts has somebody else to start it.
            if process.poll() not in (None, -signal.SIGKILL):
                process = spawn()

    async def _connect_account(self) -> None:
        channel = open_channel(f"127.0.0.1:{self._ports['integrations']}")
        client = IntegrationsClient(channel).acting_as(self.metadata())
        await client.save_connection(integrations_pb2.SaveConnectionRequest(provider="github", token=TOKEN))
        await channel.close()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The person of all cases."""
        return user_metadata(sign_access_token(SECRETS["SESSION_SECRET"], USER, 24 * 3600))

    def addresses(self) -> list[str]:
        """Of all workers, whether they run or not."""
        return [f"127.0.0.1:{worker.port}" for worker in self.workers.values()]

    def log(self, name: str) -> str:
        """The end of what a process has logged."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def marks(self, sandbox_id: str) -> list[str]:
        """What a session's commands have left in its workspace, read from the disk."""
        path = self.folder / "data" / "sandboxes" / sandbox_id / "workspace" / "marks"
        return path.read_text().split() if path.is_file() else []

    def sandboxes_running(self) -> list[str]:
        """Ids of sandboxes that have a process."""
        return sorted({sandbox for _, sandbox in self._bubblewraps()})

    def _bubblewraps(self) -> Iterator[tuple[int, str]]:
        """(process id, sandbox id), by the folders of this world in the arguments of bubblewrap."""
        prefix = f"{self.folder}/data/sandboxes/"
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                arguments = path.read_bytes().decode(errors="replace").split("\0")
                for sandbox in {one.removeprefix(prefix).split("/")[0] for one in arguments if one.startswith(prefix)}:
                    yield int(path.parent.name), sandbox

    def _end_sandboxes(self) -> None:
        """They outlive their service, and here nobody comes back for them."""
        for process, _ in list(self._bubblewraps()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def wants(self, session: str) -> bool:
        """Whether there is something that an owner has still to do, as far as the database can be asked."""
        try:
            with closing(psycopg.connect(self.postgres.dsn("sessions"))) as connection:
                row = connection.execute(
                    "SELECT wanted OR turn_open FROM sessions WHERE session_id = %s", (session,)
                ).fetchone()
        except psycopg.OperationalError:
            return True
        return row is None or bool(row[0])

    def export(self, session: str) -> None:
        """Adds a session's log to the file of logs, and to the records what its commands have left."""
        ends = time.monotonic() + READY_SECONDS
        while True:
            try:
                sandbox_id, lines = self._log_of(session)
                break
            except psycopg.OperationalError:  # it crashes at any moment, also at this one
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
        with self.log_file.open("a") as out:
            out.write("\n".join(lines) + "\n")
        self.records.write("marks", session=session, marks=self.marks(sandbox_id))

    def _log_of(self, session: str) -> tuple[str, list[str]]:
        with closing(psycopg.connect(self.postgres.dsn("sessions"))) as connection:
            row = connection.execute(
                "SELECT sandbox_id, turn_open, state FROM sessions WHERE session_id = %s", (session,)
            ).fetchone()
            assert row is not None, f"{session} is gone"
            said = {"session": session, "sandbox": row[0], "turn_open": row[1], "state": row[2]}
            lines = [json.dumps(said)]
            for seq, key, data in connection.execute(
                "SELECT seq, key, data FROM session_events WHERE session_id = %s ORDER BY seq", (session,)
            ):
                said = {"session": session, "seq": seq, "key": key, "data": b64encode(data).decode()}
                lines.append(json.dumps(said))
        return row[0], lines

    def deleted(self, sandbox_id: str) -> None:
        """Its session was deleted just now."""
        self._deleted[sandbox_id] = time.monotonic()

    def take_stock(self) -> None:
        """Records what the world has counted."""
        with closing(psycopg.connect(self.postgres.dsn("sessions"))) as connection:
            known = [row[0] for row in connection.execute("SELECT sandbox_id FROM sessions")]
        gone = {sandbox: time.monotonic() - at for sandbox, at in self._deleted.items()}
        self.records.write("pulls", pulls=[[pull["repo"], pull["head"]["ref"]] for pull in self.host.pulls])
        self.records.write("sandboxes", running=self.sandboxes_running(), known=known, gone=gone)

    def keep(self, folder: Path) -> None:
        """Copies records, logs and what the processes have said."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copytree(self._current, folder / "records")
        for path in (self.log_file, *self.folder.glob("*.log"), self.postgres.folder / "log"):
            if path.is_file():
                shutil.copy(path, folder / path.name)

    @staticmethod
    def _end(process: Running | None) -> None:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(10)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
