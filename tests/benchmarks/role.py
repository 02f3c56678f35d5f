"""`python -m tests.benchmarks.role NAME`: runs one client, its job as JSON on standard input, its result on output."""

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).parents[2]


class RoleFailed(Exception):
    """The client ended with an error; its last words are the message."""


async def play(name: str, **job: Any) -> dict[str, Any]:
    """The result of a role that ran in a process of its own. Raises RoleFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.role", name,
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    answer, words = await process.communicate(json.dumps(job).encode())
    if process.returncode:
        raise RoleFailed(f"{name}: {words.decode(errors='replace')[-2000:]}")
    result: dict[str, Any] = json.loads(answer)
    return result


def main() -> None:
    role = import_module(f"tests.benchmarks.roles.{sys.argv[1]}")
    print(json.dumps(uvloop.run(role.run(json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
