"""A world for all cases of a module, on a loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.faults.world import World

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Stage:
    """A world and the loop that it lives on."""

    def __init__(self, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faults", daemon=True)
        self._thread.start()
        self.world = self.run(self._open(**options))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs to its end over there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, **options: Any) -> World:
        return await World(**options).__aenter__()

    def close(self) -> None:
        """Ends everything in it."""
        self.run(self.world.__aexit__())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """For the module's cases."""
    made = Stage()
    yield made
    made.close()
