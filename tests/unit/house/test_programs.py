"""No service runs a program in a tree that an agent can write: a repository can make git and others run its own."""

import ast
from collections.abc import Iterator

import pytest

from tests.unit.house.tree import ROOT, code

# Where a service starts programs, what it starts, and why that is none of the agent's business.
ALLOWED = {
    "services/sandbox/backends/pipes.py": "bubblewrap, or the helper where nothing confines it, by argv lists",
    "services/sandbox/backends/disk_images.py": "mkfs, e2fsck, fstrim and mount on our own image files",
    "services/integrations/backends/git_child.py": "git on bare repositories, which no sandbox sees",
}
STARTERS = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output", "getoutput", "getstatusoutput"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "os": {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp"},
    "pty": {"spawn", "fork"},
}
SHELLS = {"create_subprocess_shell", "system", "popen", "getoutput", "getstatusoutput"}


def outside() -> list[str]:
    """Python of the services that runs on this side: guest and toolbox are the parts that run in containers."""
    inside = ("services/sandbox/guest/", "services/sandbox/toolbox/")
    return [path for path in code(".py") if path.startswith("services/") and not path.startswith(inside)]


def starts(path: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls in a file that start a program, by their names."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in STARTERS:
                if name in STARTERS[module] or (module == "os" and name.startswith(("exec", "spawn"))):
                    yield name, node
            case ast.Attribute(attr="subprocess_exec" | "subprocess_shell" as name):
                yield name, node


def test_programs_are_started_in_known_places_only() -> None:
    assert {path for path in outside() if any(starts(path))} == set(ALLOWED)


def test_nothing_hides_how_it_starts_programs() -> None:
    hidden = [
        f"{path}: from {node.module} import {alias.name}"
        for path in outside()
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in STARTERS
        for alias in node.names
        if alias.name in STARTERS[node.module]
    ]
    assert hidden == []


@pytest.mark.parametrize("path", ALLOWED)
def test_none_of_them_uses_a_shell_or_works_in_a_workspace(path: str) -> None:
    for name, call in starts(path):
        assert name not in SHELLS
        assert "shell" not in {keyword.arg for keyword in call.keywords}
    words = {node.id for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Name)}
    assert not {word for word in words if "workspace" in word.lower()}


def test_who_starts_git_keeps_to_repositories_of_its_own() -> None:
    """Every caller of the one door to git names its repository; none of them knows what a workspace is."""
    callers = [path for path in outside() if "start_git" in (ROOT / path).read_text()]
    assert callers
    assert all(path.startswith("services/integrations/backends/") for path in callers)
    for path in callers:
        names = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Constant)]
        assert "-C" not in [node.value for node in names]
        assert not [node.value for node in names if "workspaces" in str(node.value)]


def test_nobody_uses_the_engines_archive_calls() -> None:
    """On a running container they follow its links."""
    words = (".put_archive(", ".get_archive(")
    assert [path for path in outside() if any(word in (ROOT / path).read_text() for word in words)] == []
