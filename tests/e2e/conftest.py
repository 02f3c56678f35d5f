"""Grounds that only the tests of the whole product stand on."""

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer, Say, Script
from tests.grounds.canary import Canary
from tests.grounds.hosted import Ground, Installation, delete_sessions, installed
from tests.grounds.processes import Run, as_fork
from tests.grounds.product import Product, StartProduct

NOTHING = Say("", calls=[("finish", {"summary": "Done."})])


@pytest.fixture
def start_ground(
    start_product: StartProduct, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Ground]]:
    """Starts a ground: `start_ground(script, backend, apart=False)`."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, backend: str, apart: bool = False) -> Ground:
            if backend == "docker":
                request.getfixturevalue("docker_engine")
            model = stack.enter_context(ModelServer(script))
            ground = Ground(stack.enter_context(installed(start_product, tmp_path, model, backend, apart)))
            stack.callback(delete_sessions, ground)
            return ground

        yield start


@pytest.fixture(scope="module")
def module_products() -> Iterator[StartProduct]:
    """As start_product, for a whole file: a start takes seconds."""
    with contextlib.ExitStack() as stack:

        def start(apart: bool = False, env: dict[str, str] | None = None, run: Run = as_fork) -> Product:
            product = Product(Path(tempfile.mkdtemp(prefix="lucid-")), apart, env, run)
            stack.callback(shutil.rmtree, product.folder, ignore_errors=True)
            stack.callback(product.stop)
            product.start()
            return product

        yield start


@pytest.fixture(scope="module")
def module_installation(
    module_products: StartProduct, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A product on the stand-ins for a whole file."""
    folder = tmp_path_factory.mktemp("github")
    with (
        ModelServer([NOTHING]) as model,
        installed(module_products, folder, model, "bubblewrap", False) as installation,
    ):
        yield installation


@pytest.fixture
async def ground(module_installation: Installation) -> Ground:
    """The file's product, with a new person, stand-ins that work, and a canary; all its channels are this test's."""
    installation, canary = module_installation, Canary()
    installation.github.reset()
    installation.github.tokens.clear()
    installation.github.add_account("ada", canary.token)
    installation.model.requests.clear()
    installation.model.script = [NOTHING]
    return Ground(installation._replace(canary=canary), f"{uuid.uuid4().hex}@example.org")
