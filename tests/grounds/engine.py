"""The machine's Docker engine. `deploy/setup/engine.sh` starts it; tests never do: a machine bears one."""

import os

import docker
import pytest
from docker.errors import DockerException


@pytest.fixture(scope="session")
def docker_engine() -> docker.DockerClient:
    """A client of the engine. None there is a failure; LUCID_TEST_DOCKER=0 leaves these tests out, but not in CI."""
    if os.environ.get("LUCID_TEST_DOCKER") == "0" and not os.environ.get("CI"):
        pytest.skip("LUCID_TEST_DOCKER=0: asked to leave out what needs a Docker engine")
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except DockerException as error:
        mend = "`make test` as root starts one; LUCID_TEST_DOCKER=0 goes on without."
        pytest.fail(f"No Docker engine answers ({error}). {mend}")
    return client
