"""Every RPC has a rule who may call it, a use case of its name, and a test that names it."""

import importlib
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from services.rpc.inproc import InprocChannel, InprocServer
from services.rpc.serving import Access, Service
from tests.unit.house.tree import ROOT, code, read

PROTOS = {
    "sandbox": ("lucid.sandbox.v1.sandbox_pb2", "SandboxService"),
    "sessions": ("lucid.sessions.v1.sessions_pb2", "SessionsService"),
    "integrations": ("lucid.integrations.v1.integrations_pb2", "IntegrationsService"),
    "gateway": ("lucid.gateway.v1.accounts_pb2", "AccountsService"),
}
# Answered from the settings or by signing; there is no rule of the domain in them.
WITHOUT_A_RULE = {"GetInstallation", "ListModels"}


def descriptor(name: str) -> ServiceDescriptor:
    module, service = PROTOS[name]
    found: ServiceDescriptor = importlib.import_module(module).DESCRIPTOR.services_by_name[service]
    return found


def methods() -> list[tuple[str, str]]:
    return [(name, method.name) for name in PROTOS for method in descriptor(name).methods]


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


async def built(name: str, folder: Path) -> Service:
    """The service as it is put together for serving, not started."""
    secrets = dict.fromkeys(
        ("SESSION_SECRET", "INTERNAL_API_KEY", "ENCRYPTION_KEY"), "0123456789abcdef0123456789abcdef"
    )
    settings = importlib.import_module(f"services.{name}.settings").Settings
    env = secrets | {"LUCID_DATA_DIR": str(folder), "SANDBOX_BACKEND": "bubblewrap"}
    result = await importlib.import_module(f"services.{name}.server").build(settings.from_env(env), nowhere)
    service = getattr(result, "service", result)
    assert isinstance(service, Service)
    return service


def nowhere(_: str) -> grpc.aio.Channel:
    return InprocChannel(InprocServer())


@pytest.mark.parametrize("name", PROTOS)
async def test_every_rpc_says_who_may_call_it(name: str, tmp_path: Path) -> None:
    service = await built(name, tmp_path)
    full_name = descriptor(name).full_name
    assert set(service.access) == {f"/{full_name}/{method.name}" for method in descriptor(name).methods}
    assert full_name in service.service_names


async def test_only_the_installation_is_open_to_strangers(tmp_path: Path) -> None:
    access = {method: rule for name in PROTOS for method, rule in (await built(name, tmp_path)).access.items()}
    assert [method for method, rule in access.items() if rule is Access.PUBLIC] == [
        "/lucid.gateway.v1.AccountsService/GetInstallation"
    ]


@pytest.mark.parametrize(("name", "method"), methods())
def test_every_rpc_has_a_use_case_of_its_name(name: str, method: str) -> None:
    if method in WITHOUT_A_RULE:
        return
    assert (ROOT / f"services/{name}/usecases/{snake(method)}.py").is_file()


@pytest.mark.parametrize(("name", "method"), methods())
def test_every_rpc_is_tested_by_name(name: str, method: str) -> None:
    word = re.compile(rf"\b({method}|{snake(method)})\b|test_{snake(method)}")
    tests = [path for path in code(".py") if path.startswith(("tests/service/", "tests/e2e/", "tests/contract/"))]
    assert any(word.search(read(path)) for path in tests)
