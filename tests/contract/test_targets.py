"""A target that names several replicas: calls go round, and on while one of them is away."""

import contextlib

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1 import sessions_pb2_grpc as pb_grpc

from services.rpc.channels import open_channel, unary
from services.rpc.identity import Verifier, service_metadata
from services.rpc.serving import Access, Service, grpc_server

SECRET, KEY = "s" * 32, "k" * 32
METHOD = "/lucid.sessions.v1.SessionsService/GetSession"


def replica(name: str) -> Service:
    class Servicer(pb_grpc.SessionsServiceServicer):
        async def GetSession(self, request: pb.GetSessionRequest, context: object) -> pb.GetSessionResponse:
            return pb.GetSessionResponse(session=pb.Session(title=name))

    async def nothing() -> None: ...

    def register(server: object) -> None:
        pb_grpc.add_SessionsServiceServicer_to_server(Servicer(), server)  # type: ignore[arg-type]

    return Service(name, ("lucid.sessions.v1.SessionsService",), register, {METHOD: Access.USER}, nothing, nothing)


@pytest.mark.parametrize("gone", ["one", "two"])
async def test_calls_go_round_and_on(gone: str) -> None:
    verifier = Verifier(SECRET, KEY)
    async with contextlib.AsyncExitStack() as rest:
        servers = {name: contextlib.AsyncExitStack() for name in ("one", "two")}
        ports = [
            await stack.enter_async_context(grpc_server([replica(name)], "127.0.0.1:0", verifier))
            for name, stack in servers.items()
        ]
        for stack in servers.values():
            rest.push_async_callback(stack.aclose)
        channel = await rest.enter_async_context(open_channel("ipv4:" + ",".join(f"127.0.0.1:{p}" for p in ports)))
        stub = pb_grpc.SessionsServiceStub(channel)

        async def who() -> str:
            asked, me = pb.GetSessionRequest(session_id="s"), service_metadata(KEY, "u")
            return str((await unary(lambda: stub.GetSession(asked, metadata=me, timeout=10))).session.title)

        first = [await who() for _ in range(40)]
        await servers[gone].aclose()
        then = [await who() for _ in range(10)]
    assert set(first) == {"one", "two"}
    assert set(then) == {"one", "two"} - {gone}
