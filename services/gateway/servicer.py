"""AccountsService."""

import contextlib
from collections.abc import Callable
from typing import TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from lucid.gateway.v1 import accounts_pb2, accounts_pb2_grpc

from services.gateway.convert import user_to_proto
from services.gateway.ports import Ports
from services.gateway.usecases.create_access_token import create_access_token
from services.gateway.usecases.get_account import get_account
from services.gateway.usecases.get_installation import get_installation
from services.rpc.errors import Unauthenticated
from services.rpc.guard import Access
from services.rpc.identity import current_caller

Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"
SERVICE_NAME = accounts_pb2.DESCRIPTOR.services_by_name["AccountsService"].full_name
ACCESS = {
    f"/{SERVICE_NAME}/GetAccount": Access.USER,
    f"/{SERVICE_NAME}/GetInstallation": Access.PUBLIC,
    f"/{SERVICE_NAME}/CreateAccessToken": Access.USER,
}


class AccountsServicer(accounts_pb2_grpc.AccountsServiceServicer):
    """Who is calling, and how people sign in here. `describe` fills in what the settings say."""

    def __init__(self, ports: Ports, describe: Callable[[], accounts_pb2.GetInstallationResponse]) -> None:
        self._ports = ports
        self._describe = describe

    async def GetAccount(
        self, request: accounts_pb2.GetAccountRequest, context: Context
    ) -> accounts_pb2.GetAccountResponse:
        """The caller."""
        user = await get_account(self._ports, current_caller().user_id)
        return accounts_pb2.GetAccountResponse(user=user_to_proto(user))

    async def GetInstallation(
        self, request: accounts_pb2.GetInstallationRequest, context: Context
    ) -> accounts_pb2.GetInstallationResponse:
        """What this installation can do."""
        answer = self._describe()
        answer.demo_only = (await get_installation(self._ports)).demo_only
        with contextlib.suppress(Unauthenticated):  # how well work is closed off is nobody else's business
            current_caller()
            busy = await self._ports.occupants.look()
            answer.confinement = busy.confinement or ""
            answer.lacks.extend(busy.lacks)
        return answer

    async def CreateAccessToken(
        self, request: accounts_pb2.CreateAccessTokenRequest, context: Context
    ) -> accounts_pb2.CreateAccessTokenResponse:
        """A short one."""
        token, expires = await create_access_token(self._ports, current_caller().user_id)
        lapses = Timestamp(seconds=int(expires))
        return accounts_pb2.CreateAccessTokenResponse(token=token, expire_time=lapses)
