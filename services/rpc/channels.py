"""Opens a channel from a target string, so that no caller knows whether the other side is near or far."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from services.rpc import logs
from services.rpc.inproc import InprocChannel, InprocServer
from services.rpc.retry import RETRY_ATTEMPTS, backoff
from services.rpc.status import from_rpc_error

INPROC = "inproc:"
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A window that grows by itself lets megabytes be on their way to a slow reader: lost if the other side dies then.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
]
ROUND_ROBIN = ("grpc.lb_policy_name", "round_robin")
Answer = TypeVar("Answer")
Connect = Callable[[str], grpc.aio.Channel]


class _RequestId(grpc.aio.UnaryUnaryClientInterceptor):
    """Hands the request id on, so that one id leads from the edge to the provider."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        if current := logs.request_id.get():
            metadata = [*(client_call_details.metadata or ()), ("x-request-id", current)]
            client_call_details = client_call_details._replace(metadata=grpc.aio.Metadata(*metadata))
        return await continuation(client_call_details, request)


def open_channel(target: str, local: InprocServer | None = None) -> grpc.aio.Channel:
    """A channel to `inproc:` (needs `local`), `unix:/path`, `dns:///host:port` or `host:port`; to several replicas that
    are called in turn, `ipv4:host:port,host:port`."""
    if target == INPROC:
        if local is None:
            msg = "inproc: needs the other service in this process; name its address instead."
            raise ValueError(msg)
        return InprocChannel(local)
    several = "," in target or target.startswith("dns:")
    options = [*OPTIONS, ROUND_ROBIN] if several else OPTIONS
    return grpc.aio.insecure_channel(target, options=options, interceptors=[_RequestId()])


async def unary(call: Callable[[], Awaitable[Answer]], repeatable: bool = True) -> Answer:
    """Runs a unary call; UNAVAILABLE is tried again where that is safe. Raises RemoteError."""
    for attempt in range(RETRY_ATTEMPTS):
        try:
            return await call()
        except grpc.RpcError as error:
            refusal = from_rpc_error(error)
            # A refusal with a reason of its own is an answer; only a transport that failed is tried again.
            if refusal.reason != "UNAVAILABLE" or not repeatable or attempt == RETRY_ATTEMPTS - 1:
                raise refusal from error
        await backoff(attempt)
    raise AssertionError
