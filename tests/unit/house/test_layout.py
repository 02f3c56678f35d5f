"""Sizes, names and first words of files."""

import ast
from collections.abc import Iterator
from pathlib import PurePath

from tests.unit.house.tree import ROOT, code, read

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
NAMES_WITHOUT_MEANING = {"utils", "util", "helpers", "common", "misc", "shared"}


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {path: len(read(path).splitlines()) for path in code(".py", ".ts", ".tsx", ".css", ".sh", ".proto")}
    # A proto's comments are its documentation, and one file holds one vocabulary.
    too_long = {path: size for path, size in sizes.items() if size > MOST_LINES and not path.endswith(".proto")}
    assert too_long == {}


def test_no_function_of_a_service_is_longer_than_a_screen() -> None:
    too_long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path in code(".py")
        if path.startswith("services/") and "/migrations/" not in path
        for node in _functions(path)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
    }
    assert too_long == {}


def test_every_file_has_a_name_that_says_what_is_in_it() -> None:
    nameless = [
        path
        for path in code(".py", ".ts", ".tsx")
        if NAMES_WITHOUT_MEANING & {part.split(".")[0].strip("_") for part in PurePath(path).parts}
    ]
    assert nameless == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path
        for path in code(".py")
        if path.startswith(("services/", "tests/")) and read(path).strip() and not ast.get_docstring(_tree(path))
    ]
    assert silent == []


def test_every_service_says_what_it_owns() -> None:
    for name in ("sandbox", "sessions", "integrations", "gateway"):
        text = ast.get_docstring(_tree(f"services/{name}/__init__.py")) or ""
        assert len(text) > 80, f"services/{name}/__init__.py should tell in a paragraph what the service owns"


def test_rpc_stays_small_and_knows_no_service() -> None:
    files = [path for path in code(".py") if path.startswith("services/rpc/")]
    assert sum(len(read(path).splitlines()) for path in files) <= 1200
    words = ("pull request", "sandbox", "model", "repository", "workspace")
    strangers = [(path, word) for path in files for word in words if word in read(path).lower()]
    assert strangers == []


def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _functions(path: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
