"""Who calls."""

from typing import Any, TypeAlias

import grpc

from services.rpc.identity import current_caller

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def user_id() -> str | None:
    """The owner to check against; None for a service that acts for nobody."""
    caller = current_caller()
    return None if caller.internal and not caller.user_id else caller.user_id
