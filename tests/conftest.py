"""The grounds that tests stand on: real databases, a real engine, the product as a process, a real browser."""

import pytest

pytest_plugins = [
    "tests.grounds.databases",
    "tests.grounds.engine",
    "tests.grounds.redis",
    "tests.grounds.product",
    "tests.grounds.replicas",
    "tests.grounds.browser",
]
# A file's tests run one after the other: the longest files come first, so that none is left alone at the end.
LONG = ("tests/faults/", "tests/unit/house/test_page.py", "tests/e2e/", "tests/contract/", "tests/service/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, start in enumerate(LONG) if item.nodeid.startswith(start)), len(LONG)))
