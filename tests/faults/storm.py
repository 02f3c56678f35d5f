"""`python -m tests.faults.storm --seconds 60 --seed 1`: people at work while everything breaks; then the checker.

Sessions run on three workers with a lease of 5 s. Faults come at random moments, half of them as soon as somebody
stands at a random point. At the end all is mended, everything settles, and every session is judged.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import uvloop

from tests.faults.breakage import Breakage
from tests.faults.checker.verdict import judge
from tests.faults.checker.world_rules import ORPHAN_SECONDS
from tests.faults.client import Client
from tests.faults.conductor import Reached, Trap
from tests.faults.people import Person
from tests.faults.world import World
from tests.grounds.processes import as_bound_command

LEASE_SECONDS = 5.0
LONGEST_TAKEOVER = 6.0
WORKERS = 3
PEOPLE = 20
SECONDS_PER_FAULT = 3.5
POINT_SECONDS = 2.0
SETTLE_SECONDS = 600.0
WEIGHTS = {"kill": 34, "pause": 22, "cut": 22, "storage": 7, "redis": 9, "sandbox": 6}
POINTS = (
    *("claimed", "storing-turn-start", "sandbox-create", "model", "model-answering", "model-answered", "storing-call"),
    *("stored-call", "command-begun", "command-output", "command-ended", "storing-result", "stored-result", "renew"),
    *("storing-message", "storing-taken", "storing-decision", "storing-stop", "command-stop", "storing-turn-end"),
    *("host-push", "host-pulled", "pull-request-opened", "checkpoint"),
)


class Storm:
    """One run. `seed` decides who does what and what breaks; the moments are the machine's."""

    def __init__(self, world: World, seconds: float, seed: int, people: int = PEOPLE) -> None:
        self.world = world
        self._people = people
        self.breakage = Breakage(world)
        self.faults: Counter[str] = Counter()
        self._ends = time.monotonic() + seconds
        self._random = random.Random(seed)
        self._seed = seed
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """To the end of its time, and until everybody has what they asked for."""
        people = [asyncio.create_task(self._person(number)) for number in range(self._people)]
        while time.monotonic() < self._ends:
            await asyncio.sleep(self._random.expovariate(1 / SECONDS_PER_FAULT))
            self._start_fault()
        self.world.conductor.clear()
        await asyncio.gather(*self._running)
        await self.breakage.repaired()
        async with asyncio.timeout(SETTLE_SECONDS):
            await asyncio.gather(*people)

    async def _person(self, number: int) -> None:
        """One session after another, for as long as it lasts."""
        lives = 0
        while time.monotonic() < self._ends:
            lives += 1
            name = f"s{self._seed}p{number}n{lives}"
            client = Client(name, self.world.addresses(), self.world.metadata(), self.world.records, number + lives)
            person = Person(name, self.world, client, random.Random(f"{self._seed} {name}"))
            await person.live(lambda: time.monotonic() < self._ends)
            await client.close()

    def _start_fault(self) -> None:
        what = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        at = self._random.choice(POINTS) if self._random.random() < 0.5 else ""
        task = asyncio.create_task(self._fault(what, at))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _fault(self, what: str, at: str) -> None:
        async def strike(reached: Reached) -> None:
            if what in ("kill", "pause") and not self._may_fall(reached.worker):
                return
            before = self.breakage.count
            await getattr(self.breakage, what)(reached)
            self.faults[what] += self.breakage.count > before

        if at:
            trap = self.world.conductor.set(Trap(at, (), strike))
            with suppress(TimeoutError):
                async with asyncio.timeout(POINT_SECONDS):
                    await trap.sprung.wait()
                return
            self.world.conductor.disarm(trap)
            if trap.reached:
                await trap.sprung.wait()
                return
        awake = [worker.name for worker in self.world.workers.values() if worker.runs and not worker.stopped]
        if awake:
            await strike(Reached("", "", self._random.choice(awake)))

    def _may_fall(self, name: str) -> bool:
        """One worker is always left: takeover is what is measured, not the start of a process."""
        others = [worker for worker in self.world.workers.values() if worker.name != name]
        return name in self.world.workers and any(worker.answers for worker in others)


async def storm(seconds: float, seed: int, longest_takeover: float, keep: Path | None, people: int) -> int:
    """Runs and judges; the exit code."""
    began = time.monotonic()
    async with World(LEASE_SECONDS, WORKERS, run=as_bound_command) as world:
        run = Storm(world, seconds, seed, people)
        try:
            await run.run()
            await no_orphans(world)
            world.take_stock()
        finally:
            if keep is not None:
                await asyncio.to_thread(world.keep, keep)
        verdict = await asyncio.to_thread(judge, world.records_folder, world.log_file, longest_takeover)
    for broken in verdict.broken:
        sys.stdout.write(f"BROKEN {broken}\n")
    faults = ", ".join(f"{times} {what}" for what, times in run.faults.most_common())
    sys.stdout.write(f"storm seed {seed}, {time.monotonic() - began:.0f} s ({faults}): {verdict.summary}\n")
    return 1 if verdict.broken else 0


async def no_orphans(world: World) -> None:
    """Waits for sandboxes of deleted sessions to end, as long as that may take."""
    ends = time.monotonic() + ORPHAN_SECONDS
    while world.sandboxes_running() and time.monotonic() < ends:  # noqa: ASYNC110 /proc does not tell
        await asyncio.sleep(0.5)


def main() -> int:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm")
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--seed", type=int, default=0, help="0 = another one each time; it is printed")
    parser.add_argument("--people", type=int, default=PEOPLE, help="at work at any time")
    parser.add_argument("--takeover", type=float, default=LONGEST_TAKEOVER, help="longest, 99 of 100, in seconds")
    parser.add_argument("--keep", type=Path, help="a folder for records, log and the processes' own logs")
    given = parser.parse_args()
    seed = given.seed or random.SystemRandom().randrange(1, 1_000_000)
    sys.stdout.write(f"storm: {given.seconds:.0f} s, seed {seed}\n")
    sys.stdout.flush()
    return uvloop.run(storm(given.seconds, seed, given.takeover, given.keep, given.people))


if __name__ == "__main__":
    sys.exit(main())
