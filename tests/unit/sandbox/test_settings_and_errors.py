"""Settings that make no sense, and refusals with their reasons."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rpc.errors import LucidError
from services.sandbox.backends.egress.trust import read_trust
from services.sandbox.backends.run_folder import git_config_text
from services.sandbox.domain import errors
from services.sandbox.domain.network import NetworkMode
from services.sandbox.settings import Settings
from tests.grounds.certificates import make_authority

SECRETS = {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k"}


def test_every_error_has_a_reason_of_its_own_and_a_text() -> None:
    found = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, LucidError)]
    named = [error for error in found if "reason" in vars(error)]
    assert len({error.reason for error in named}) == len(named) >= 18
    assert all(error.reason == error.reason.upper() and error().message for error in named)
    assert all(errors.BY_REASON[reason].reason == reason for reason in errors.BY_REASON)


def test_the_guest_refuses_with_no_reason_that_is_not_known() -> None:
    import re

    guest = Path(errors.__file__).parents[1] / "guest"
    used = {
        reason for file in guest.glob("*.py") for reason in re.findall(r'Refusal\(\s*"([A-Z_]+)"', file.read_text())
    }
    assert len(used) > 10
    assert used <= set(errors.BY_REASON)


def test_settings_of_an_empty_environment(tmp_path: Path) -> None:
    found = Settings.from_env({**SECRETS, "LUCID_DATA_DIR": str(tmp_path)})
    assert (found.backend, found.image, found.memory_limit, found.cpu_limit) == (
        "auto",
        "lucid-sandbox:latest",
        "2g",
        1.0,
    )
    assert found.database == f"sqlite+aiosqlite:///{tmp_path}/sandbox.db"
    assert found.gate == f"unix:{tmp_path}/run/gate.sock"
    assert "'k'" not in repr(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SESSION_SECRET": ""},
        {"INTERNAL_API_KEY": ""},
        {"SANDBOX_BACKEND": "chroot"},
        {"DOCKER_HOST": "tcp://engine:2375"},
        {"SANDBOX_POOL_SIZE": "-1"},
        {"SANDBOX_STARTS_AT_ONCE": "0"},
        {"SANDBOX_LIMIT": "many"},
        {"SANDBOX_PAUSE_AFTER": "-1"},
        {"SANDBOX_IDLE_TIMEOUT": "soon"},
        {"SANDBOX_RETENTION": "inf"},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        Settings.from_env({**SECRETS, **wrong})


def test_settings_of_a_full_environment() -> None:
    found = Settings.from_env(
        {
            **SECRETS,
            "DATABASE_URL": "postgresql://db/lucid",
            "SANDBOX_MEMORY_LIMIT": "1g",
            "SANDBOX_CPU_LIMIT": "0.5",
            "GATE_TARGET": "gate:7000",
            "DOCKER_HOST": "unix:///run/other.sock",
            "SANDBOX_ALLOW_UNCONFINED": "1",
        }
    )
    assert (found.database, found.gate) == ("postgresql+psycopg://db/lucid", "gate:7000")
    assert (found.memory_limit, found.cpu_limit, found.docker_socket) == ("1g", 0.5, "/run/other.sock")
    assert found.allow_unconfined


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)


@settings(max_examples=40, deadline=None)
@given(name=VALUES, base=st.from_regex(r"\A[a-z0-9:/._-]{1,30}\Z"))
def test_git_reads_its_configuration_as_it_was_meant(tmp_path_factory: Any, name: str, base: str) -> None:
    file = tmp_path_factory.mktemp("git") / "config"
    entries = (("user.name", name), (f"url.http://127.0.0.1:3129/{base}.insteadOf", "https://github.com/"))
    file.write_text(git_config_text(entries), encoding="utf-8", newline="")
    for key, value in entries:
        found = subprocess.run(["git", "config", "-z", "-f", file, key], capture_output=True, check=True).stdout
        assert found.decode() == value + "\0"


def test_what_sandboxes_may_reach_is_read_strictly() -> None:
    env = {
        "EGRESS": "list",
        "EGRESS_REGISTRIES": "a.example, B.example:8443",
        "EGRESS_HOSTS": "*.c.example,a.example",
        "EGRESS_PRIVATE_HOSTS": "b.example:8443,a.example:1",
    }
    network = Settings.from_env(SECRETS | env).network
    assert network.policy(NetworkMode.OFF).hosts == ()
    assert network.policy(NetworkMode.REGISTRIES).hosts == ("a.example:443", "b.example:8443")
    assert network.policy(NetworkMode.LIST).hosts == ("a.example:443", "b.example:8443", "*.c.example:443")
    assert [rule.private for rule in network.policy(NetworkMode.LIST).rules] == [False, True, False]


def test_without_lists_nothing_may_be_reached() -> None:
    network = Settings.from_env(SECRETS).network
    assert network.mode is NetworkMode.REGISTRIES
    assert network.policy(network.mode).rules == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EGRESS", "all"),
        ("EGRESS_REGISTRIES", "https://a.example/"),
        ("EGRESS_HOSTS", "10.0.0.1"),
        ("EGRESS_HOSTS", "*"),
        ("EGRESS_PRIVATE_HOSTS", "a.example:99999"),
    ],
)
def test_a_list_with_what_is_no_host_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings.from_env(SECRETS | {name: value})


def test_certificates_are_one_bundle_and_a_truststore(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    trust = dict(read_trust(str(authority.pem)).files)
    assert trust["ca.pem"].startswith(authority.pem.read_bytes())
    store = pkcs12.load_pkcs12(trust["ca.p12"], b"changeit")
    assert authority.certificate in [found.certificate for found in store.additional_certs]
    assert read_trust("").files == ()


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ValueError, match="SANDBOX_CA_FILE"):
        read_trust(str(tmp_path / "ca.pem"))
