"""Grounds that only the tests of the whole product stand on."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.model_server import ModelServer, Say
from tests.grounds.canary import Canary
from tests.grounds.hosted import FILES, MODEL_KEY, DockerGround, Ground, WatchedGitHub, delete_sessions
from tests.grounds.product import StartProduct


@pytest.fixture
def start_ground(
    start_product: StartProduct, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Ground]]:
    """Starts a ground: `start_ground(script, backend, apart=False)`."""
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[list[dict[str, Any]]], Say], backend: str, apart: bool = False) -> Ground:
            if backend == "docker":
                request.getfixturevalue("docker_engine")
            github, model = stack.enter_context(WatchedGitHub(tmp_path)), stack.enter_context(ModelServer(script))
            canary = Canary()
            github.add_account("ada", canary.token)
            github.add_repository("ada/tea", FILES, private=True)
            github.add_repository("ada/other", {"secret.txt": "the other one\n"}, private=True)
            env = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": MODEL_KEY, "SANDBOX_BACKEND": backend}
            product = start_product(apart=apart, env=env | github.environment())
            ground = (DockerGround if backend == "docker" else Ground)(product, github, model, canary)
            stack.callback(delete_sessions, ground)
            return ground

        yield start
