"""What lies outside, and how it is seen that nothing of it was reached."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import refusal

CANARY = b"CANARY-of-the-outside"
# The agent's user may read and write it: only the boundary of the workspace is in the way.
OUTSIDE = f"""
rm -rf /tmp/outside; mkdir -p /tmp/outside/sub
echo {CANARY.decode()} | tee /tmp/outside/secret >/tmp/outside/sub/secret
"""
LINKS = """
mkdir -p inner/real; echo in >inner/file; echo movable >movable
ln -sfn /tmp/outside/secret absolute; ln -sfn ../tmp/outside/secret upwards; ln -sfn /tmp/outside out
ln -sfn /proc/1/root root; ln -sfn /proc/self/cwd/../tmp/outside magic; ln -sfn out chain; ln -sfn chain chain2
ln -sfn ../../tmp/outside inner/up; ln -sfn /proc/self/fd fds; ln -sfn inner within
"""
Refused = Callable[[Awaitable[Any]], Awaitable[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(shared: Bench) -> AsyncIterator[Bench]:
    """The shared sandbox with its outside; after all cases of a file the outside is as it was."""
    before = (await shared.run(f"{OUTSIDE} {LINKS} {SEEN}")).output
    yield shared
    assert (await shared.run(SEEN)).output == before


SEEN = "find /tmp/outside -printf '%P %y %s %m\\n' | sort; cat /tmp/outside/secret /tmp/outside/sub/secret"


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Refused:
    """The reason of a refusal, which also stands in the service's log."""

    async def answer(call: Awaitable[Any]) -> str:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            reason = await refusal(call)
        assert reason in [getattr(record, "reason", "") for record in caplog.records]
        return reason

    return answer
