"""What the scenarios stand on: a product as a person starts it, and the model it asks, each a process of its own."""

import asyncio
import contextlib
import itertools
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
from lucid.sessions.v1 import sessions_pb2 as pb

from tests.benchmarks.role import ROOT
from tests.benchmarks.scripted_model import marker
from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, sign_in, turn_ended
from tests.grounds.product import SECRETS, Product

PATIENCE = 180.0


@dataclass
class Model:
    """The scripted model's process."""

    url: str
    pid: int
    http: aiohttp.ClientSession

    async def log(self, cid: str) -> list[dict[str, float]]:
        """When its requests came (`at`) and when they were answered (`last`)."""
        async with self.http.get(f"{self.url}/log", params={"cid": cid}) as answer:
            entries: list[dict[str, float]] = await answer.json()
        return entries

    async def pauses(self, cid: str) -> list[float]:
        """Seconds from the end of each answer to the next request: a step, without the model."""
        entries = await self.log(cid)
        return [after["at"] - before["last"] for before, after in itertools.pairwise(entries)]


@dataclass
class Ground:
    """A running product with its person and its model."""

    product: Product
    model: Model
    person: Person
    token: str

    @property
    def pid(self) -> int:
        """The product's one process."""
        return self.product.pids["all"]

    @property
    def pids(self) -> list[int]:
        """All of the product's processes."""
        return list(self.product.pids.values())

    async def ready_session(self, task: str | None = None) -> pb.Session:
        """A session that has had one short turn: its sandbox is up and it waits for a message."""
        session = await self.person.create(task or marker("tokens", 1, fresh_id()))
        await self.turn(session)
        return session

    async def turn(self, session: pb.Session, say: str = "") -> None:
        """Sends a message, if there is one, and waits for the end of the turn that is running or comes."""
        viewer = Viewer(session.session_id)
        if say:
            now = await self.person.sessions.get_session(pb.GetSessionRequest(session_id=session.session_id))
            viewer = _Later(session.session_id, now.session.last_seq)
            await self.person.sessions.send_message(pb.SendMessageRequest(session_id=session.session_id, text=say))
        await self.person.follow(viewer, turn_ended, PATIENCE)


class _Later(Viewer):
    """A viewer that knows the log up to a place already."""

    def __init__(self, session_id: str, known: int) -> None:
        super().__init__(session_id)
        self._known = known

    @property
    def last_seq(self) -> int:
        return max(self._known, super().last_seq)


def fresh_id() -> str:
    """For one conversation in the model's log."""
    return uuid4().hex[:12]


@contextlib.asynccontextmanager
async def scripted_model() -> AsyncIterator[Model]:
    """The model server while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.scripted_model", cwd=ROOT, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with aiohttp.ClientSession() as http:
            yield Model(f"http://127.0.0.1:{port}", process.pid, http)
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def new_product(apart: bool = False, **env: str) -> AsyncIterator[Product]:
    """A product on an empty data folder, not started yet; stopped and removed with the block."""
    # Not below a long path: that of a Unix socket must stay under 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="lucid-bench-"))
    product = Product(folder, apart, SECRETS | env)
    try:
        yield product
    finally:
        await asyncio.to_thread(product.stop)
        shutil.rmtree(folder, ignore_errors=True)


def model_settings(model: Model) -> dict[str, str]:
    """The product's environment for sessions of hundreds of steps with this model."""
    return {
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_API_KEY": "sk-bench",
        "DEFAULT_MODEL": "openai/bench",
        "MAX_ITERATIONS": "100000",
        "LUCID_SEED": "0",
    }


@contextlib.asynccontextmanager
async def ground(backend: str, apart: bool = False, **more: str) -> AsyncIterator[Ground]:
    """Everything running, in one process or each service in its own. `backend`: bubblewrap or docker."""
    env = {"SANDBOX_BACKEND": backend, "SANDBOX_POOL_SIZE": "1"} | more
    async with scripted_model() as model, new_product(apart, **env, **model_settings(model)) as product:
        await asyncio.to_thread(product.start)
        token = await asyncio.to_thread(sign_in, product)
        yield Ground(product, model, Person(product), token)
