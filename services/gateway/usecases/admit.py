"""Who is calling, and was it their own doing?"""

from collections.abc import Sequence

from services.gateway.domain.models import Identity, Visit
from services.gateway.domain.origins import check_origin
from services.gateway.ports import Ports
from services.gateway.usecases.authenticate import authenticate


async def admit(ports: Ports, visit: Visit, allowed_origins: Sequence[str]) -> Identity | None:
    """The caller, or None for nobody.

    A browser adds the cookie to whatever any page asks for; with it, what changes something must come from our page.
    Raises Unauthenticated, OriginRefused.
    """
    identity = await authenticate(ports, visit.claimed)
    if identity is not None and identity.secret and not visit.safe:
        check_origin(visit.origin, visit.own_origin, allowed_origins)
    return identity
