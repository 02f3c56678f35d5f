"""The product as an operator runs it for many: two gateways and two sessions services on one Postgres and one Redis."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.grounds.databases import Postgres
from tests.grounds.ports import spare_port
from tests.grounds.processes import as_fork
from tests.grounds.product import Product
from tests.grounds.redis import Redis

REPLICATED = ("sessions-1", "sessions-2", "gateway-1", "gateway-2")


class Replicas(Product):
    """As a product apart. `sessions` and `gateway` stand for the first of each, where one has to be named."""

    ready_seconds = 120

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        super().__init__(folder, apart=True, env=env, run=as_fork)
        del self.rpc["sessions"], self.rpc["gateway"]
        self.rpc |= {name: f"127.0.0.1:{spare_port()}" for name in REPLICATED}
        self.base_urls.append(f"http://127.0.0.1:{spare_port()}")
        self.sessions_target = "ipv4:" + ",".join(self.rpc[name] for name in REPLICATED[:2])
        self._env["SESSIONS_TARGET"] = self.sessions_target
        self.rpc |= {"sessions": self.rpc["sessions-1"], "gateway": self.rpc["gateway-1"]}

    @property
    def processes(self) -> tuple[str, ...]:
        return ("sandbox", "integrations", *REPLICATED)

    def owner(self, session_id: str) -> str:
        """The process that has claimed a session last, by what it logged."""
        claims = {
            name: [
                int(found)
                for line in (self.folder / f"{name}.log").read_text().splitlines()
                if "session claimed" in line and session_id in line
                for found in re.findall(r"lease_epoch\D+(\d+)", line)
            ]
            for name in REPLICATED[:2]
        }
        return max(claims, key=lambda name: max(claims[name], default=0))

    def _own(self, name: str) -> dict[str, str]:
        own = super()._own(name)
        if name in REPLICATED:
            # Nothing is shared but the database, Redis and the secrets.
            own["LUCID_DATA_DIR"] = str(self.folder / name)
        if name.startswith("gateway-"):
            own["PORT"] = self.base_urls[int(name[-1]) - 1].rpartition(":")[2]
        return own


StartReplicas = Callable[[dict[str, str]], Replicas]


@pytest.fixture
def start_replicas(postgres: Postgres, redis: Redis) -> Iterator[StartReplicas]:
    """Starts the six processes; all end with the test, their data with them."""
    started: list[Replicas] = []
    with postgres.fresh_database() as url:

        def start(env: dict[str, str]) -> Replicas:
            shared = {"DATABASE_URL": url.replace("+psycopg", ""), "REDIS_URL": redis.url}
            product = Replicas(Path(tempfile.mkdtemp(prefix="lucid-")), shared | env)
            started.append(product)
            product.start()
            return product

        yield start
        for product in started:
            product.stop()
            shutil.rmtree(product.folder, ignore_errors=True)
