"""A sandbox with a policy, and the internet that it sees: names that lead where the test says, one host on loopback."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.sandbox.backends.egress.limits import Limits
from services.sandbox.backends.egress.proxy import EgressProxy
from services.sandbox.domain.network import HostRule, NetworkChoice, NetworkMode
from tests.contract.launchers.conftest import Bench, Ran, sandbox_on, settings_for
from tests.fakes.static_host import StaticHost
from tests.grounds.certificates import make_authority

HOST = "packages.lucid.test"
WILD = "files.lucid.test"
LIMITS = Limits(head=4.0, hello=4.0, connect=4.0, refusals=1000)
PROXY = ("127.0.0.1", 3128)
# Runs in the sandbox. Says bytes, cut as told, to a port or a socket, and prints what came back.
TALK = r"""
import json, socket, sys, time
told = json.loads(sys.argv[1])
place = told["to"]
way = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
way.settimeout(told["seconds"])
got = b""
try:
    way.connect(place if isinstance(place, str) else tuple(place))
    for part in told["parts"]:
        if isinstance(part, (int, float)):
            time.sleep(part)
        elif part in ("wait", "answer"):
            while b"\r\n\r\n" not in got or (part == "answer" and got.endswith(b"\r\n\r\n")):
                data = way.recv(65536)
                if not data:
                    break
                got += data
        else:
            way.sendall(bytes.fromhex(part))
    if told["close"]:
        way.shutdown(socket.SHUT_WR)
    while "answer" not in told["parts"]:
        data = way.recv(65536)
        if not data:
            break
        got += data
    end = "answered" if "answer" in told["parts"] else "closed"
except socket.timeout:
    end = "open"
except OSError as error:
    end = type(error).__name__
print(json.dumps({"got": got.hex(), "end": end}))
"""


@dataclass
class Said:
    """What came of a talk: the bytes that were answered, how it ended, the refusals that the command was told."""

    got: bytes
    end: str
    ran: Ran

    @property
    def status(self) -> int:
        """Of the first answer; 0 where there is none."""
        return int(self.got.split(b" ", 2)[1]) if self.got.startswith(b"HTTP/1.1 ") else 0

    @property
    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.ran.refusals]


@dataclass
class Ground:
    """`names`: what the resolver answers, one list after the other where there are several."""

    server: StaticHost
    bench: Bench = None  # type: ignore[assignment]
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ca: Path = Path()

    @property
    def port(self) -> int:
        return self.server.port

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def talk(self, *parts: Any, to: Any = PROXY, seconds: float = 20.0, close: bool = False) -> Said:
        """Raw bytes from inside. Numbers are pauses in seconds, "wait" waits for the end of an HTTP head, "answer" for
        what comes after it, and ends there."""
        said = [part.hex() if isinstance(part, bytes) else part for part in parts]
        told = json.dumps({"to": to, "parts": said, "seconds": seconds, "close": close})
        await self.bench.create("talk.py", TALK)
        ran = await self.bench.run(f"python3 talk.py '{told}'", cwd="/workspace")
        answer = json.loads(ran.output)
        return Said(bytes.fromhex(answer["got"]), answer["end"], ran)


@contextlib.asynccontextmanager
async def egress_ground(backend: str, folder: Path, limits: Limits = LIMITS, **changes: Any) -> AsyncIterator[Ground]:
    """One sandbox that may reach HOST and everything below WILD, at the port of the stand-in."""
    authority = make_authority(folder)
    with StaticHost(authority.server(HOST, f"a.{WILD}", WILD)).serving() as server:
        server.files["/hello"] = b"hello\n"
        ground = Ground(server, ca=authority.pem)
        ground.names = {HOST: [["127.0.0.1"]], f"a.{WILD}": [["127.0.0.1"]]}
        rules = (HostRule(HOST, server.port, private=True), HostRule(WILD, server.port, below=True, private=True))
        strict = tuple(HostRule(f"{name}.lucid.test") for name in ("strict", "rebinding", "hello"))
        choice = NetworkChoice(NetworkMode.LIST, rules, strict)
        settings = settings_for(backend, folder, network=choice, ca_file=str(authority.pem), **changes)
        async with sandbox_on(settings, EgressProxy(ground.resolve, limits)) as bench:
            ground.bench = bench
            yield ground
