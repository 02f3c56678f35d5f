"""What is told when a database does not answer, instead of the driver's own words."""

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import InterfaceError, OperationalError

from services.rpc.errors import Code, LucidError


class StoreUnavailable(LucidError):
    """The database does not answer; nothing was changed."""

    code = Code.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"
    default = "The database does not answer; try again."


def tell_away(engine: Engine) -> None:
    """What passes by itself (a restart, a locked file, a full disk) is raised as StoreUnavailable."""
    event.listen(engine, "handle_error", _on_error)


def _on_error(context: ExceptionContext) -> None:
    # A connection that was found dead is replaced by the pool.
    if not context.is_pre_ping and isinstance(context.sqlalchemy_exception, OperationalError | InterfaceError):
        raise StoreUnavailable from context.original_exception
