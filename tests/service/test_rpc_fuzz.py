"""Random bytes and random messages to every RPC of the running product, over a real channel, by every kind of caller.

Nobody is ever told INTERNAL or UNKNOWN, every refusal has a reason, no secret is in it, the product lives, and its
memory does not grow with what was sent. `FUZZ_CALLS` of each kind per RPC: `make fuzz` sends 10,000, by default it is a
share of them.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from lucid.gateway.v1 import accounts_pb2
from lucid.integrations.v1 import integrations_pb2
from lucid.sandbox.v1 import sandbox_pb2
from lucid.sessions.v1 import sessions_pb2

from services.rpc.identity import Metadata, service_metadata, sign_access_token, user_metadata
from services.sessions.client import SessionsClient
from tests.fakes.github import GitHubStandIn
from tests.grounds.canary import Canary
from tests.grounds.fuzzing import Chance
from tests.grounds.length import rounds
from tests.grounds.product import SECRETS, Product, StartProduct

CALLS = int(os.environ.get("FUZZ_CALLS", rounds(60, 500)))
# Such as CreateSnapshot,DiffSnapshots: these only.
CHOSEN = [name for name in os.environ.get("FUZZ_RPCS", "").split(",") if name]
AT_ONCE = 48
GROWTH = 64 * 1024 * 1024
# Of one that works on the whole of a sandbox there may be AT_ONCE in line.
UNARY_SECONDS, WORK_SECONDS, STREAM_SECONDS = 30.0, 300.0, 0.1
MODEL_KEY = "sk-CANARY-0123456789abcdefghij"
ME, OTHER = "usr_me", "usr_other"
SERVICES = {
    "sessions": sessions_pb2.DESCRIPTOR.services_by_name["SessionsService"],
    "integrations": integrations_pb2.DESCRIPTOR.services_by_name["IntegrationsService"],
    "gateway": accounts_pb2.DESCRIPTOR.services_by_name["AccountsService"],
    "sandbox": sandbox_pb2.DESCRIPTOR.services_by_name["SandboxService"],
}
# Each of these starts processes when it is let in: of the messages (not of the bytes) they get a share.
SNAPSHOTS = ("CreateSnapshot", "ListSnapshots", "DiffSnapshots", "RestoreSnapshot")
LADDER = ("CreateCheckpoint", "RestoreCheckpoint", "ResumeSandbox", "HibernateSandbox", "RestartSandbox")
WORK, WORK_SHARE = ("ListRepositories", "CreateSandbox", "RunCommand", *SNAPSHOTS, *LADDER), 10
TREES = ["", "0" * 40, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"]
# What removes the ground under the others comes last.
LAST = ("Delete", "Close")
BROKEN = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}
# Of our own deadline, and of a call that was refused before it was read.
BARE = {grpc.StatusCode.DEADLINE_EXCEEDED}


Call = Callable[[str, bytes, Metadata], Awaitable[None]]


def person() -> Metadata:
    return user_metadata(sign_access_token(SECRETS["SESSION_SECRET"], ME, 36_000))


def service() -> Metadata:
    return service_metadata(SECRETS["INTERNAL_API_KEY"], ME)


def strangers() -> list[Metadata]:
    """Who else may come."""
    secret, key = SECRETS["SESSION_SECRET"], SECRETS["INTERNAL_API_KEY"]
    return [
        person(),
        service(),
        service_metadata(key, OTHER),
        service_metadata(key, ""),
        service_metadata(key, "nobody at all"),
        user_metadata(sign_access_token(secret, OTHER, 36_000)),
        user_metadata(sign_access_token(secret, ME, -60)),
        user_metadata(sign_access_token("another-secret-0123456789abcdefgh", ME, 60)),
        user_metadata("no.token.at-all"),
        (("authorization", "Basic eA=="),),
        (("x-internal-key", "wrong"), ("x-user-id", ME)),
        (("x-request-id", "r" * 300),),
        (),
    ]


@dataclass
class Barrage:
    """What is sent, and what was answered that should not have been."""

    product: Product
    channel: grpc.aio.Channel
    secrets: list[Canary]
    known: dict[str, list[Any]]
    bad: list[str] = field(default_factory=list)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    strangers: list[Metadata] = field(default_factory=strangers)

    async def send(self, method: MethodDescriptor, count: int, seed: str) -> None:
        """As many calls with bytes and as many with messages."""
        chance = Chance(f"{seed}:{method.full_name}", self.known)
        call = self._stream if method.server_streaming else self._unary
        path = f"/{method.containing_service.full_name}/{method.name}"
        requests = self._requests(method, chance, count, await self._is_internal(call, path))
        answers = self.answers.setdefault(method.full_name, Counter())

        async def work() -> None:
            for request, metadata in requests:
                try:
                    await call(path, request, metadata)
                    answers["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    answers[self._judge(method, request, error)] += 1

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _is_internal(self, call: Call, path: str) -> bool:
        try:
            await call(path, b"", person())
        except grpc.aio.AioRpcError as error:
            return reason_of(error) == "INTERNAL_ONLY"
        return False

    def _requests(
        self, method: MethodDescriptor, chance: Chance, count: int, internal: bool
    ) -> Iterator[tuple[bytes, Metadata]]:
        callers = [*[service() if internal else person()] * 3 * len(self.strangers), *self.strangers]
        for number in range(count):
            yield chance.bytes(method.input_type), chance.pick(callers)
            if method.name not in WORK or number % WORK_SHARE == 0:
                yield chance.message(method.input_type).SerializeToString(), chance.pick(callers)

    async def _unary(self, path: str, request: bytes, metadata: Metadata) -> None:
        seconds = WORK_SECONDS if path.rpartition("/")[2] in WORK else UNARY_SECONDS
        await self.channel.unary_unary(path)(request, metadata=metadata, timeout=seconds)

    async def _stream(self, path: str, request: bytes, metadata: Metadata) -> None:
        try:
            async for _ in self.channel.unary_stream(path)(request, metadata=metadata, timeout=STREAM_SECONDS):
                pass
        except grpc.aio.AioRpcError as error:
            # A stream that is followed has no end but ours.
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise

    def _judge(self, method: MethodDescriptor, request: bytes, error: grpc.aio.AioRpcError) -> str:
        """The reason; notes what is wrong with the refusal."""
        reason = reason_of(error)
        said = f"{error.details()} {error.trailing_metadata()}"
        for secret in self.secrets:
            secret.look(method.name, said)
        if error.code() in BROKEN or not reason:
            self.bad.append(f"{method.name} {error.code().name} {reason} {said[:300]} for {request[:400].hex()}")
        return reason or error.code().name


def reason_of(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(bytes(value)).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return ""


def resident(product: Product) -> int:
    """Bytes of memory that the product's process holds."""
    status = Path(f"/proc/{product.pids['all']}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


def methods(*services: str) -> list[MethodDescriptor]:
    found = [method for name in services for method in SERVICES[name].methods]
    found = [method for method in found if not CHOSEN or method.name in CHOSEN]
    return sorted(found, key=lambda method: method.name.startswith(LAST))


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:010d}" for number in range(count)]


def known_words(**more: list[Any]) -> dict[str, list[Any]]:
    """By a field's name: what makes a request likely to be taken."""
    few = [0, 1, 2, 5, 50, 1000]
    return {
        "request_id": ids("req", 30),
        "client_message_id": ids("msg", 200),
        "queue_item_id": ids("msg", 200),
        "command_id": ids("cmd", 150),
        "edit_id": ids("edit", 150),
        "write_id": ids("edit", 150),
        "change_id": ids("edit", 150),
        "upload_id": ids("upload", 5),
        "if_match": ["", "*", "absent"],
        "key": ids("key", 20),
        "model": ["demo", "", "openai/tea", "anthropic/none", "no/model"],
        "fallback_model": ["", "openai/tea"],
        "model_api_key": ["", MODEL_KEY],
        "token": ["ghp_" + "0" * 36, MODEL_KEY],
        "provider": ["local", "github", "gitlab", ""],
        "full_name": ["lucid/teatime", "ada/tea", ""],
        "repo": ["lucid/teatime", "none/none"],
        "number": [1, 2, 2**32 - 1],
        "owner_id": [ME],
        "command": ["true", "echo tea", "exit 3", "cd /tmp && pwd", "printf 'a\\0b'", "cat README.md"],
        "timeout_ms": [0, 1000],
        "cwd": ["", ".", "/"],
        "path": ["", "README.md", "a.txt", "a/b/c.txt", "..", "/etc/passwd", "."],
        "since_tree": TREES,
        "from_tree": TREES,
        "to_tree": TREES[1:],
        "tree": TREES[1:],
        "restore_id": ids("edit", 150),
        "checkpoint_id": ids("chk_000000000", 9),
        "page_size": few,
        "limit": few,
        "offset": few,
        "after_seq": few,
        "before_seq": few,
        "last_n": few,
        "epoch": [0, 1, 1, 1],
        "terminal_id": ids("ter", 10),
        "writer_id": ids("wri", 3),
        "columns": few[:5],
        "rows": few[:5],
        "wait_ms": few[:5],
        "page_token": [""],
        **more,
    }


async def barrage(
    product: Product, services: tuple[str, ...], known: dict[str, list[Any]], secrets: list[Canary], calls: int
) -> Barrage:
    """Everything is sent, in two halves that are compared."""
    async with grpc.aio.insecure_channel(product.rpc["gateway"]) as channel:
        made = Barrage(product, channel, secrets, known)
        # The first half fills what is filled once, and reaches what many calls at once need; what grows on is lost.
        for method in methods(*services):
            if not method.name.startswith(LAST):
                await made.send(method, calls // 2, "first half")
        before = resident(product)
        for method in methods(*services):
            last = method.name.startswith(LAST)
            await made.send(method, calls if last else calls - calls // 2, "second half")
        grown = resident(product) - before
    for name, answers in made.answers.items():
        print(f"{name}: {dict(answers.most_common(8))}")
    print(f"{len(made.answers)} RPCs, memory {before >> 20} MiB, grown by {grown >> 10} KiB")
    errors = [line for line in product.log.splitlines() if '"level": "error"' in line.lower()]
    for line in [*made.bad, *errors][-5:]:
        print(line)
    assert made.bad == []
    assert [secret.found for secret in secrets] == [[] for _ in secrets]
    assert grown < GROWTH
    return made


def canaries() -> list[Canary]:
    return [Canary(MODEL_KEY), *map(Canary, SECRETS.values())]


def reached(made: Barrage, service: str, shut: Callable[[str], bool]) -> None:
    """Enough of what was sent was let in: a fuzz that is turned away at the door proves nothing."""
    for method in methods(service):
        answers = made.answers[method.full_name]
        inside = sum(count for reason, count in answers.items() if not shut(reason))
        assert inside >= sum(answers.values()) * (0.01 if method.name in WORK else 0.05), (method.name, answers)


def turned_away(reason: str) -> bool:
    return reason in ("INVALID_REQUEST", "UNAUTHENTICATED", "INTERNAL_ONLY")


@pytest.mark.timeout(3600)
async def test_sessions_integrations_and_gateway(start_product: StartProduct, tmp_path: Path) -> None:
    with GitHubStandIn(tmp_path / "hosts") as github:
        # Without a confinement every turn ends at once: what is tried here is the services, not the machine.
        env = {"SANDBOX_BACKEND": "process", "GITHUB_URL": github.url, "GITHUB_API_URL": github.api_url}
        product = start_product(
            env={**SECRETS, **env, "LLM_BASE_URL": "http://127.0.0.1:1/v1", "LLM_API_KEY": MODEL_KEY}
        )
        async with grpc.aio.insecure_channel(product.rpc["gateway"]) as channel:
            mine = SessionsClient(channel, user_metadata(sign_access_token(SECRETS["SESSION_SECRET"], ME, 600)))
            made = [
                (await mine.create_session(sessions_pb2.CreateSessionRequest(task=f"tea {n}"))).session
                for n in range(6)
            ]
        session_ids = [session.session_id for session in made]
        known = known_words(session_id=[*session_ids, *session_ids, "ses_0000000000"])
        services = ("sessions", "integrations", "gateway")
        sent = await barrage(product, services, known, canaries(), CALLS)
        for service in services:
            reached(sent, service, turned_away)
        assert product.stop() == {"all": 0}


@pytest.mark.timeout(3600)
async def test_sandbox(start_product: StartProduct) -> None:
    product = start_product(env={**SECRETS, "SANDBOX_BACKEND": "bubblewrap"})
    # The highest epoch there is: one that came by chance would fence off all lower ones.
    more = {"epoch": [0, 1, *[2**32 - 1] * 8], "image": [""], "key": ["user.name"], "env": []}
    known = known_words(sandbox_id=ids("sbx_", 3), session_id=["ses_0000000001"], **more)
    sent = await barrage(product, ("sandbox",), known, canaries(), CALLS)
    reached(sent, "sandbox", turned_away)
    assert product.stop() == {"all": 0}
