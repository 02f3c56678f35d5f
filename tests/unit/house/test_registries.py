"""What `make up` learns of registries from this machine's clients: hosts, no secrets, no plain http."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.house.tree import ROOT

SCRIPT = ROOT / "deploy" / "setup" / "registries.py"
CARGO = '[source.crates-io]\nreplace-with = "mirror"\n[source.mirror]\nregistry = "sparse+https://cargo.example:8443/index/"\n'
MAVEN = "<settings><mirrors><mirror><id>m</id><url>https://maven.example/all</url></mirror></mirrors></settings>"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Programs that answer as they are set, and a home with their settings."""
    said = {
        "npm": "https://user:secret@npm.example/npm/",
        "go": "https://go.example/proxy,direct",
        "mvn": "",
        "cargo": "",
    }
    (tmp_path / "bin").mkdir()
    for name, words in said.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n[ \"$*\" = 'env GOSUMDB' ] && {{ echo off; exit; }}\necho '{words}'\n")
        program.chmod(0o755)
    for path, text in ((".cargo/config.toml", CARGO), (".m2/settings.xml", MAVEN)):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    pip = {
        "PIP_INDEX_URL": "https://u:secret@pip.example/simple",
        "PIP_EXTRA_INDEX_URL": "http://plain.example/ file:///x",
    }
    nothing = {"PIP_CONFIG_FILE": os.devnull, "HOME": str(tmp_path)}
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", **nothing, **pip}


def printed(env: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, text=True, timeout=50, check=True)
    assert "secret" not in done.stdout + done.stderr
    return done.stdout.strip()


def test_mirrors_are_what_is_allowed(machine: dict[str, str]) -> None:
    assert printed(machine) == "pip.example,npm.example,cargo.example:8443,go.example,maven.example"


def test_pips_own_index_is_read_from_pip(machine: dict[str, str]) -> None:
    from pip._internal.models.index import PyPI

    own = {name: value for name, value in machine.items() if not name.startswith("PIP_I")}
    assert printed(own).split(",")[:2] == [PyPI.netloc, PyPI.file_storage_domain]


def test_a_client_that_fails_is_left_out(machine: dict[str, str]) -> None:
    (Path(machine["HOME"]) / "bin" / "npm").write_text("#!/bin/sh\nexit 3\n")
    (Path(machine["HOME"]) / ".cargo" / "config.toml").write_text("not toml [")
    assert printed(machine) == "pip.example,go.example,maven.example"


def test_what_is_printed_is_what_the_setting_takes(machine: dict[str, str]) -> None:
    from services.sandbox.settings import Settings

    secrets = {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k"}
    network = Settings.from_env({**secrets, "EGRESS_REGISTRIES": printed(machine)}).network
    assert [str(rule) for rule in network.registries][:3] == [
        "pip.example:443",
        "npm.example:443",
        "cargo.example:8443",
    ]
