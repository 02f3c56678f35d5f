"""The other services: typed calls for REST. By the protos every call may be repeated: UNAVAILABLE is tried again."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from lucid.integrations.v1.integrations_pb2_grpc import IntegrationsServiceStub
from lucid.sandbox.v1.sandbox_pb2_grpc import SandboxServiceStub
from lucid.sessions.v1.sessions_pb2_grpc import SessionsServiceStub

from services.gateway.backends.raw import reading
from services.rpc.channels import unary
from services.rpc.identity import Metadata
from services.rpc.status import from_rpc_error

DEADLINE_SECONDS = 60.0
Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True)
class Channels:
    """One channel per service."""

    sessions: grpc.aio.Channel
    sandbox: grpc.aio.Channel
    integrations: grpc.aio.Channel


class Upstreams:
    """The stubs of the other services, one set for all callers."""

    def __init__(self, channels: Channels) -> None:
        self.sessions = SessionsServiceStub(channels.sessions)
        self.sandbox = SandboxServiceStub(channels.sandbox)
        self.integrations = IntegrationsServiceStub(channels.integrations)


class Caller:
    """Calls on behalf of one identity: deadline, repetition, refusals as RemoteError."""

    def __init__(self, upstreams: Upstreams, metadata: Metadata) -> None:
        self.sessions = upstreams.sessions
        self.sandbox = upstreams.sandbox
        self.integrations = upstreams.integrations
        self._metadata = metadata

    async def ask(self, method: "grpc.aio.UnaryUnaryMultiCallable[Request, Answer]", request: Request) -> Answer:
        """One answer. Raises RemoteError."""
        return await unary(lambda: method(request, metadata=self._metadata, timeout=DEADLINE_SECONDS))

    async def follow(
        self, method: "grpc.aio.UnaryStreamMultiCallable[Request, Answer]", request: Request
    ) -> AsyncGenerator[Answer, None]:
        """Answers until the stream ends; closing the iterator ends the call. Raises RemoteError."""
        call = method(request, metadata=self._metadata)
        try:
            async with reading(call) as answers:
                async for answer in answers:
                    yield answer
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
