"""`python -m tests.faults.chaos --kills 50`: services are killed in the midst of commands, the engine too.

People go on giving tasks meanwhile. In the end, 60 s after the last blow at most, every turn has an end or an error in
its log, every command that began has an end, and there is no container, volume, folder or process but those of
sandboxes that are known.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Event, TurnCompleted

from services.rpc.status import RemoteError
from tests.fakes.model_server import ModelServer, Say
from tests.faults.leftovers import Leftovers
from tests.grounds.person import Person
from tests.grounds.product import Product
from tests.grounds.second_engine import SecondEngine, second_engine

PEOPLE = 4
SETTLE_SECONDS = 60.0
COMMANDS = ("for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.1; done", "sleep 1000 & echo left", "seq 20000; sleep 0.3")
VICTIMS = ("sandbox", "sandbox", "sandbox", "sessions")  # as often as named
IMAGE = "lucid-sandbox:latest"


def script(messages: list[dict[str, Any]]) -> Say:
    """Three commands, then the end."""
    done = sum(message["role"] == "tool" for message in messages)
    if done >= len(COMMANDS):
        return Say("Done.", calls=[("finish", {"summary": "Done."})])
    return Say("I run it.", calls=[("run_command", {"command": COMMANDS[done]})])


@dataclass
class Chaos:
    """What happens to the product while people use it. `blows` counts what was done, `sessions` are those left."""

    product: Product
    engine: SecondEngine | None
    random: random.Random
    blows: Counter[str] = field(default_factory=Counter)
    sessions: list[str] = field(default_factory=list)
    sandboxes: set[str] = field(default_factory=set)
    deleted: int = 0
    _over: bool = False

    async def run(self, kills: int) -> None:
        """People work until so many kills have happened and the engine has gone twice, then come to an end."""
        person = Person(self.product)
        people = [asyncio.create_task(self._work(person)) for _ in range(PEOPLE)]
        ends = {kills // 3: signal.SIGTERM, 2 * kills // 3: signal.SIGKILL} if self.engine else {}
        for number in range(kills):
            await asyncio.sleep(self.random.uniform(0.3, 2.0))
            if number in ends:
                await self._end_engine(ends[number])
            victim = self.random.choice(VICTIMS)
            await asyncio.to_thread(self.product.kill9, victim)
            await asyncio.sleep(self.random.uniform(0.0, 0.5))
            await asyncio.to_thread(self.product.start)
            self.blows[f"kill -9 {victim}"] += 1
        self._over = True
        await asyncio.gather(*people)

    async def _end_engine(self, how: signal.Signals) -> None:
        assert self.engine is not None
        await asyncio.to_thread(self.engine.end, how)
        await asyncio.sleep(self.random.uniform(0.5, 3.0))
        await asyncio.to_thread(self.engine.start)
        self.blows[f"engine {how.name}"] += 1

    async def _work(self, person: Person) -> None:
        """Gives tasks, one after the other; every second session is deleted, whatever it is doing."""
        while not self._over:
            try:
                session = await person.create("Run them.", model="openai/gpt-5")
            except RemoteError:
                await asyncio.sleep(0.2)
                continue
            self.sessions.append(session.session_id)
            self.sandboxes.add(session.sandbox_id)
            await asyncio.sleep(self.random.uniform(1.0, 6.0))
            if self.random.random() < 0.5:
                await self.delete(person, session.session_id)

    async def delete(self, person: Person, session_id: str) -> None:
        """Until it is gone."""
        while True:
            try:
                await person.sessions.delete_session(pb.DeleteSessionRequest(session_id=session_id))
            except RemoteError:
                await asyncio.sleep(0.2)
                continue
            self.sessions.remove(session_id)
            self.deleted += 1
            return


async def settled(found: Callable[[], Any]) -> list[str]:
    """What is still found wrong when the time to settle is over; empty as soon as nothing is."""
    last = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            wrong: list[str] = await found()
        except RemoteError as error:
            wrong = [f"not reachable: {error.message}"]
        if not wrong or time.monotonic() > last:
            return wrong
        await asyncio.sleep(0.5)


async def unexplained(person: Person, sessions: list[str]) -> list[str]:
    """Turns without an end, commands without one, ends that are bad and say nothing."""
    wrong = []
    for session_id in sessions:
        events = await person.log(session_id)
        kinds = Counter(event.WhichOneof("payload") for event in events)
        began = {event.item_id for event in events if event.HasField("command_started")}
        ended = {event.item_id for event in events if event.HasField("command_completed")}
        if not kinds["turn_started"] or kinds["turn_started"] != kinds["turn_completed"]:
            wrong.append(f"{session_id}: {kinds['turn_started']} turns, {kinds['turn_completed']} ends")
        elif began - ended:
            wrong.append(f"{session_id}: {len(began - ended)} commands have no end")
        elif not _explained(events):
            wrong.append(f"{session_id}: ended badly without a word")
    return wrong


def _explained(events: list[Event]) -> bool:
    outcome = next(e.turn_completed.outcome for e in reversed(events) if e.HasField("turn_completed"))
    return outcome == TurnCompleted.OUTCOME_DONE or any(event.HasField("error") for event in events)


async def storm(product: Product, engine: SecondEngine | None, kills: int, seed: int) -> tuple[Chaos, list[str]]:
    """All of it; what was found wrong at the end."""
    chaos = Chaos(product, engine, random.Random(seed))
    await chaos.run(kills)
    person = Person(product)
    wrong = await settled(lambda: unexplained(person, chaos.sessions))
    leftovers = Leftovers(product, engine, chaos.sandboxes)
    wrong += await settled(leftovers.unknown)
    for session_id in list(chaos.sessions):
        await chaos.delete(person, session_id)
    wrong += await settled(leftovers.unknown)
    await asyncio.to_thread(product.stop)
    wrong += await settled(leftovers.anything)
    return chaos, wrong


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    parser.add_argument("--backend", choices=("docker", "bubblewrap"), default="docker")
    parser.add_argument("--log", type=Path, help="where to write what the services have logged")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lucid-chaos-"))
    began = time.monotonic()
    print(f"{asked.kills} kills, {asked.backend}, seed {asked.seed}", flush=True)
    try:
        if asked.backend == "bubblewrap":
            chaos, wrong = _with(folder, None, asked)
        else:
            (folder / "engine").mkdir()
            with second_engine(folder / "engine", IMAGE) as engine:
                chaos, wrong = _with(folder, engine, asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    made = len(chaos.sessions) + chaos.deleted
    print(f"{dict(chaos.blows)}; {made} sessions; {time.monotonic() - began:.0f} s")
    print("\n".join(wrong) if wrong else "Nothing is left over, and nothing is unexplained.")
    return 1 if wrong else 0


def _with(folder: Path, engine: SecondEngine | None, asked: argparse.Namespace) -> tuple[Chaos, list[str]]:
    with ModelServer(script) as model:
        product = Product(folder, True, environment(model.url, engine))
        try:
            product.start()
            return asyncio.run(storm(product, engine, asked.kills, asked.seed))
        finally:
            product.stop()
            if asked.log:
                asked.log.write_text(product.log)


def environment(model_url: str, engine: SecondEngine | None) -> dict[str, str]:
    """The product's, with this model and this engine (None: bubblewrap)."""
    env = {
        "OPENAI_BASE_URL": f"{model_url}/v1",
        "OPENAI_API_KEY": "sk-test",
        "SANDBOX_POOL_SIZE": "1",
        "LUCID_SEED": "0",
    }
    if engine is None:
        return env | {"SANDBOX_BACKEND": "bubblewrap"}
    return env | {"SANDBOX_BACKEND": "docker", "DOCKER_HOST": engine.address}


if __name__ == "__main__":
    sys.exit(main())
