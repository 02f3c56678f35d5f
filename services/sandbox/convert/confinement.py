"""How well sandboxes are closed off, as proto."""

from lucid.sandbox.v1 import confinement_pb2
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.sandbox.convert import CONFINEMENTS
from services.sandbox.convert.network import network_to_proto
from services.sandbox.domain.models import Status


def status_to_proto(status: Status) -> pb.GetStatusResponse:
    """How the service is; the confinement is unspecified where there is none."""
    return pb.GetStatusResponse(
        confinement=CONFINEMENTS[status.confinement] if status.confinement else pb.Sandbox.CONFINEMENT_UNSPECIFIED,
        ready_sandboxes=status.ready,
        network=network_to_proto(status.network),
        lacks=status.lacks,
        findings=[
            confinement_pb2.ConfinementFinding(setting=one.setting.value, holds=one.holds, found=one.found)
            for one in status.findings
        ],
    )
