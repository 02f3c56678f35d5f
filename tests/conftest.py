"""The grounds that tests stand on: real databases, a real engine, the product as a process, a real browser."""

pytest_plugins = [
    "tests.grounds.databases",
    "tests.grounds.engine",
    "tests.grounds.redis",
    "tests.grounds.product",
    "tests.grounds.replicas",
    "tests.grounds.browser",
]
