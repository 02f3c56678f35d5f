"""The product as a person starts it: real processes, a data folder and addresses of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.grounds.ports import spare_port
from tests.grounds.processes import Run, Running, as_command, as_fork

SERVICES = ("sandbox", "integrations", "sessions", "gateway")
READY_SECONDS = 40
SECRETS = {
    "SESSION_SECRET": "test-session-secret-0123456789abcdef",
    "INTERNAL_API_KEY": "test-internal-key-0123456789abcdef",
    "ENCRYPTION_KEY": "test-encryption-key-0123456789abcdef",
}


class Product:
    """One installation. `apart` runs every service in a process of its own, else one process runs all.

    `run` starts a process: the command itself, or a fork where a test does not look at how it is started.
    """

    ready_seconds = READY_SECONDS

    def __init__(
        self,
        folder: Path,
        apart: bool = False,
        env: dict[str, str] | None = None,
        run: Run = as_command,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.apart = apart
        self.port = spare_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.base_urls = [self.base_url]
        rpc_ports = {name: spare_port() for name in SERVICES} if apart else dict.fromkeys(SERVICES, spare_port())
        self.rpc = {name: f"127.0.0.1:{port}" for name, port in rpc_ports.items()}
        self._env = self._environment() | (env or {})
        self._run = run
        self._processes: dict[str, Running] = {}

    @property
    def processes(self) -> tuple[str, ...]:
        """What runs; replicas of a service are told apart by a number, such as `sessions-2`."""
        return SERVICES if self.apart else ("all",)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by service; `all` for the one process of the embedded form."""
        return {name: process.pid for name, process in self._processes.items()}

    @property
    def log(self) -> str:
        """What the processes have logged since the first start."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def start(self) -> None:
        """Starts what does not run; returns when `/health` answers."""
        for name in self.processes:
            if name not in self._processes or self._processes[name].poll() is not None:
                self._processes[name] = self._spawn(name)
        deadline = time.monotonic() + self.ready_seconds
        while not self._healthy():
            ended = [name for name, process in self._processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"not ready; ended: {ended}\n{self.log[-4000:]}")
            time.sleep(0.05)

    def end(self, name: str) -> int:
        """Ends one process by SIGTERM; returns its exit code."""
        self._processes[name].terminate()
        return self._processes[name].wait(20)

    def kill9(self, *names: str) -> None:
        """Kills processes as a power cut would: all, or the named services of an `apart` product."""
        for name in names or tuple(self._processes):
            process = self._processes[name]
            process.kill()
            process.wait(10)

    def restart(self) -> None:
        """Ends everything in good order and starts it again on the same data."""
        self.stop()
        self.start()

    def stop(self, *names: str) -> dict[str, int]:
        """Ends everything, or the named services, by SIGTERM; returns the exit codes.

        One that does not end in 20 s is killed and fails.
        """
        chosen = {name: self._processes[name] for name in names or self._processes}
        for process in chosen.values():
            process.terminate()
        codes = {}
        for name, process in chosen.items():
            try:
                codes[name] = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{name} did not end within 20 s of SIGTERM\n{self.log[-4000:]}") from None
        return codes

    def _spawn(self, name: str) -> Running:
        module = "services" if name == "all" else f"services.{name.partition('-')[0]}"
        return self._run(module, self._env | self._own(name), self.folder / f"{name}.log")

    def _own(self, name: str) -> dict[str, str]:
        """What the process does not share with the others."""
        return {"RPC_LISTEN": self.rpc["gateway" if name == "all" else name]}

    def _environment(self) -> dict[str, str]:
        """The environment of the processes; nothing of the tests' own settings or keys leaks in."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "DOCKER_HOST") if name in os.environ}
        env = kept | {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LUCID_DATA_DIR": str(self.data_dir),
            "AUTH_DEV_LOGIN": "1",
            "LUCID_SEED": "1",
            # A test that wants sandboxes made beforehand says so: they are more containers and processes than it made.
            "SANDBOX_POOL_SIZE": "0",
        }
        if self.apart:
            targets = {f"{name.upper()}_TARGET": self.rpc[name] for name in ("sandbox", "sessions", "integrations")}
            env |= SECRETS | targets
        return env

    def _healthy(self) -> bool:
        """Every service answers: apart, the gateway may be up before the others have started."""
        try:
            for address in set(self.rpc.values()):
                host, port = address.rsplit(":", 1)
                socket.create_connection((host, int(port)), timeout=2).close()
            for base_url in self.base_urls:
                with urllib.request.urlopen(f"{base_url}/health", timeout=2) as answer:
                    if answer.status != 200:
                        return False
            return True
        except (urllib.error.URLError, OSError):
            return False


def remove_containers(data_dir: Path) -> None:
    """Containers outlive a product by design; this one will not come back for them."""
    instance = data_dir / "instance_id"
    if not instance.is_file() or shutil.which("docker") is None:
        return
    listed = ["docker", "ps", "-aq", "--filter", f"label=lucid.instance={instance.read_text().strip()}"]
    found = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        return
    names = subprocess.run(
        ["docker", "inspect", "--format", "{{.Name}}", *found], capture_output=True, text=True, check=False
    ).stdout.split()
    subprocess.run(["docker", "rm", "-f", *found], capture_output=True, check=False)
    volumes = [f"{name.lstrip('/')}{suffix}" for name in names for suffix in ("", "-state")]
    subprocess.run(["docker", "volume", "rm", "-f", *volumes], capture_output=True, check=False)


StartProduct = Callable[..., Product]


@pytest.fixture
def start_product() -> Iterator[StartProduct]:
    """Starts products: `start_product(apart=False, env={...})`. All end with the test, their data with them."""
    started: list[Product] = []

    def start(apart: bool = False, env: dict[str, str] | None = None, run: Run = as_fork) -> Product:
        # Not pytest's own folder: the path of a Unix socket must stay under 108 bytes.
        product = Product(Path(tempfile.mkdtemp(prefix="lucid-")), apart, env, run)
        started.append(product)
        product.start()
        return product

    yield start
    for product in started:
        product.stop()
        remove_containers(product.data_dir)
        shutil.rmtree(product.folder, ignore_errors=True)


@pytest.fixture(params=["embedded", "apart"])
def product(request: pytest.FixtureRequest, start_product: StartProduct) -> Product:
    """A running product, once as one process and once as four."""
    return start_product(apart=request.param == "apart")
