"""Waiting between tries."""

import asyncio
import random

RETRY_ATTEMPTS = 4
FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0


async def backoff(attempt: int) -> None:
    """Sleeps before try `attempt` + 1: doubling, capped, with full jitter so that many do not come at once."""
    await asyncio.sleep(random.uniform(0.5, 1.0) * min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt))  # noqa: S311
