"""LucidError <-> google.rpc.Status with one ErrorInfo (AIP-193)."""

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.rpc.errors import Code, LucidError

DOMAIN = "lucid.ai"
DETAILS_KEY = "grpc-status-details-bin"
GRPC_CODES: dict[Code, grpc.StatusCode] = {code: grpc.StatusCode[code.name] for code in Code}
_BY_NUMBER: dict[int, Code] = {code.value: code for code in Code}


class RemoteError(LucidError):
    """A refusal that came from another service; carries that service's code and reason."""

    def __init__(self, code: Code, reason: str, message: str, metadata: dict[str, str]) -> None:
        super().__init__(message, **metadata)
        self.code = code  # type: ignore[misc]  # per instance: the other side decides
        self.reason = reason  # type: ignore[misc]


def to_status(error: LucidError) -> status_pb2.Status:
    """The message that goes into the trailers of a refused call."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=error.code.value, message=error.message, details=[detail])


def from_rpc_error(error: grpc.RpcError) -> RemoteError:
    """The refusal a failed call stands for; reason UNKNOWN-like words where the other side sent no ErrorInfo."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return RemoteError(Code.UNKNOWN, "UNKNOWN", str(error), {})
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stub knows only the synchronous call
    if status is not None:
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) and detail.Unpack(info):
                code = _BY_NUMBER.get(status.code, Code.UNKNOWN)
                return RemoteError(code, info.reason, status.message, dict(info.metadata))
    code = Code[error.code().name] if error.code().name in Code.__members__ else Code.UNKNOWN
    return RemoteError(code, code.name, error.details() or code.name, {})
