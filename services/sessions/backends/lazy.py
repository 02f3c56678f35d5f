"""Something that is made when it is first needed, without holding anybody up."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Lazy(Generic[Made]):
    """Made once, in a thread: loading a provider's client takes seconds, in which the loop serves everybody else."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self.made: Made | None = None

    async def get(self) -> Made:
        """The thing itself."""
        if self.made is None:
            async with self._lock:
                if self.made is None:
                    self.made = await asyncio.to_thread(self._make)
        return self.made
