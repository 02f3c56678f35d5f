"""The product starts, says what it is, answers its own reflection and ends cleanly; in one process and apart."""

import json
import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.grounds.processes import ROOT, as_command
from tests.grounds.product import SECRETS, SERVICES, Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
RPC_SERVICES = {
    "sandbox": "lucid.sandbox.v1.SandboxService",
    "sessions": "lucid.sessions.v1.SessionsService",
    "integrations": "lucid.integrations.v1.IntegrationsService",
    "gateway": "lucid.gateway.v1.AccountsService",
}


@pytest.fixture(scope="module", params=["embedded", "apart"])
def product(request: pytest.FixtureRequest, module_products: StartProduct) -> Product:
    """Started by the command that people type, once as one process and once as four."""
    return module_products(apart=request.param == "apart", run=as_command)


def call(url: str, body: dict[str, str] | None = None, **headers: str) -> Any:
    """One HTTP request; the answer's JSON, or its text."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers["Content-Type"] else text


def reflect(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A gRPC client that knows no proto: it asks the server's reflection."""
    buf = Path(sys.executable).with_name("buf")
    *options, path = arguments
    command = [str(buf), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *options, f"http://{address}{path}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_it_says_what_it_is(product: Product) -> None:
    assert call(f"{product.base_url}/health") == {"status": "ok"}
    root = call(f"{product.base_url}/")
    assert (root["service"], root["status"]) == ("Lucid AI Engine", "healthy")


def test_reflection_lists_every_service(product: Product) -> None:
    for name, service in RPC_SERVICES.items():
        listed = reflect(product.rpc[name], "--list-services", "")
        assert service in listed.stdout.split(), listed.stderr
        assert "grpc.health.v1.Health" in listed.stdout.split()


def test_health_answers_for_every_service(product: Product) -> None:
    for name, service in RPC_SERVICES.items():
        answer = reflect(product.rpc[name], "-d", json.dumps({"service": service}), "/grpc.health.v1.Health/Check")
        assert json.loads(answer.stdout) == {"status": "SERVING"}, answer.stderr


def test_a_stranger_is_refused_and_a_person_is_served(product: Product) -> None:
    method = "/lucid.sessions.v1.SessionsService/ListSessions"
    refused = reflect(product.rpc["sessions"], method)
    assert "unauthenticated" in refused.stderr
    token = call(f"{product.base_url}/api/v1/auth/dev-login", {"email": "ada@example.com"})["token"]
    served = reflect(product.rpc["sessions"], "-H", f"authorization: Bearer {token}", method)
    assert served.returncode == 0, served.stderr
    assert json.loads(served.stdout).get("sessions", []) == []


def test_it_ends_cleanly_and_starts_again(product: Product) -> None:
    email = {"email": "ada@example.com"}
    before = call(f"{product.base_url}/api/v1/auth/dev-login", email)
    assert set(product.stop().values()) == {0}, product.log[-3000:]
    assert "Traceback" not in product.log
    product.start()
    # Accounts and the keys that sign are still those of before.
    me = call(f"{product.base_url}/api/v1/auth/me", Authorization=f"Bearer {before['token']}")
    assert me["user"]["id"] == before["user"]["id"]


def test_what_it_keeps_is_for_its_owner_only(start_product: StartProduct) -> None:
    product = start_product(run=as_command)
    kept = [path for path in product.data_dir.rglob("*") if path.is_file() and path.suffix not in {".sample"}]
    assert kept
    secrets = [path for path in kept if any(word in path.name for word in ("key", "secret"))]
    assert secrets, "the keys of the first start are in no file of the data folder"
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in secrets} == {
        path.name: "0o600" for path in secrets
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_apart_makes_no_secrets(service: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LUCID_DATA_DIR": str(tmp_path / "data")}
    line = [sys.executable, "-m", f"services.{service}"]
    run = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode != 0
    said = run.stdout + run.stderr
    assert "SESSION_SECRET" in said
    assert "INTERNAL_API_KEY" in said
    assert not any(secret in said for secret in SECRETS.values())
