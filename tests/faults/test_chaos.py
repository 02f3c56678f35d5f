"""The short form of `make chaos`: a few kills in the midst of commands."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer
from tests.faults.chaos import environment, script, storm
from tests.grounds.product import Product
from tests.grounds.second_engine import SecondEngine

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a socket's path has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="lucid-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def blows(folder: Path, engine: SecondEngine | None, kills: int) -> None:
    with ModelServer(script) as model:
        product = Product(folder, True, environment(model.url, engine))
        try:
            product.start()
            chaos, wrong = await storm(product, engine, kills, seed=7)
        finally:
            product.stop()
    assert not wrong, f"{wrong}\n{product.log[-4000:]}"
    assert sum(chaos.blows.values()) == kills + (2 if engine else 0)


async def test_services_are_killed_in_the_midst_of_commands(folder: Path) -> None:
    await blows(folder, None, 3)
