"""The models that can be chosen here."""

from services.sessions.ports import Ports


def list_models(ports: Ports) -> tuple[str, ...]:
    """`provider/model` or `demo`, the default first."""
    return ports.models.names()
