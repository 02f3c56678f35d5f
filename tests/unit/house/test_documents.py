"""What the documents say is there, is there."""

import re
from itertools import pairwise
from pathlib import PurePosixPath

import pytest

from tests.unit.house.tree import ROOT, code, read, written

DOCUMENTS = [path for path in written() if path.endswith(".md") and not path.startswith("deploy/seed/")]
# Contracts that stand whatever the README says.
PROMISED = {
    "up",
    "down",
    "test",
    "check",
    "bench",
    "protos",
    "help",
    "setup",
    "fmt",
    "lint",
    "types",
    "imports",
    "breaking",
}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*##", read("Makefile"), re.MULTILINE))


def configured() -> set[str]:
    """The environment names in the README's table."""
    table = read("README.md").split("## Configuration")[1].split("## ")[0]
    return {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([A-Z_]{4,})`", row.split("|")[1])
    }


def test_the_promised_commands_exist() -> None:
    assert targets() >= PROMISED


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_commands_it_names_exist(document: str) -> None:
    named = set(re.findall(r"(?:^|`|\s)make ([a-z][a-z-]+)(?=`|\s*$| ARGS)", read(document), re.MULTILINE))
    assert named
    assert named - targets() == set()


def test_every_command_explains_itself() -> None:
    phony = {name for row in re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE) for name in row.split()}
    assert phony - targets() == {"fmt-check"}


def test_configuration_is_told_in_both_places() -> None:
    example = set(re.findall(r"^#([A-Z_]+)=", read("deploy/.env.example"), re.MULTILINE))
    apart = {name for name in example if name.endswith(("_TARGET", "GATE_LISTEN"))}
    assert configured() == example - apart


def test_every_configured_name_is_read_by_somebody() -> None:
    readers = "".join(read(path) for path in code("settings.py", "services/__main__.py", "deploy/setup/environment.sh"))
    assert {name for name in configured() if name not in readers} == set()


def test_every_name_that_settings_read_is_told() -> None:
    read_by_services = {
        name for path in code("settings.py") for name in re.findall(r"\"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\"", read(path))
    }
    told = set(re.findall(r"`?([A-Z][A-Z0-9_]{3,})`?", read("README.md")))
    assert read_by_services - told == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    folder = PurePosixPath(document).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(document))
    assert [link for link in links if not (ROOT / folder / link).exists()] == []


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(released)
    numbers = [tuple(int(part) for part in match.groups()) for match in released if match]
    assert all(newer > older for newer, older in pairwise(numbers))
    kinds = set(re.findall(r"^### (.*)$", read("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(PurePosixPath(path).name[:4]) for path in written() if path.startswith("docs/adr/"))
    assert numbers == list(range(1, len(numbers) + 1))
    for path in (path for path in written() if path.startswith("docs/adr/")):
        assert re.search(r"^State: (proposed|accepted|superseded)", read(path), re.MULTILINE), path


def test_every_dependency_is_accounted_for() -> None:
    declared = read("pyproject.toml").split("dependencies = [")[1].split("]\n")[0]
    names = re.findall(r"^\s+\"([a-z0-9-]+)", declared, re.MULTILINE)
    section = read("ARCHITECTURE.md").split("### What we depend on")[1]
    assert names
    assert [name for name in names if name.removeprefix("grpcio") not in section] == []
