"""Network policies and blocked calls."""

from lucid.sandbox.v1 import network_pb2

from services.sandbox.domain.network import BlockedCall, NetworkMode, NetworkPolicy


def network_to_proto(policy: NetworkPolicy) -> network_pb2.NetworkPolicy:
    """What may be reached."""
    mode = network_pb2.NetworkMode.Value(f"NETWORK_MODE_{policy.mode.name}")
    return network_pb2.NetworkPolicy(mode=mode, allowed=policy.hosts)


def network_from_proto(mode: network_pb2.NetworkMode.ValueType) -> NetworkMode | None:
    """None: as far as the operator allows."""
    if mode == network_pb2.NETWORK_MODE_UNSPECIFIED:
        return None
    return NetworkMode[network_pb2.NetworkMode.Name(mode).removeprefix("NETWORK_MODE_")]


def blocked_to_proto(call: BlockedCall) -> network_pb2.BlockedCall:
    """A call that did not go out."""
    return network_pb2.BlockedCall(
        host=call.host,
        port=call.port,
        reason=network_pb2.BlockedCall.Reason.Value(f"REASON_{call.reason.value}"),
        command_id=call.command_id,
        allowed=call.allowed,
    )
