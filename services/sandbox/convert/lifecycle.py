"""What becomes of sandboxes, and the protos."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from lucid.sandbox.v1 import lifecycle_pb2 as pb

from services.sandbox.domain.lifecycle import Checkpoint, RestoredWork, Transition


def time_to_proto(time: datetime) -> Timestamp:
    """A time."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def checkpoint_to_proto(checkpoint: Checkpoint) -> pb.Checkpoint:
    """One checkpoint."""
    return pb.Checkpoint(
        checkpoint_id=checkpoint.checkpoint_id,
        sandbox_id=checkpoint.sandbox_id,
        reason=checkpoint.reason,
        create_time=time_to_proto(checkpoint.create_time),
        bytes=checkpoint.bytes,
        commits=checkpoint.commits,
        files=checkpoint.files,
        left_out=checkpoint.left_out,
        repositories=[
            pb.CheckpointRepository(path=each.path, branch=each.branch, head=each.head, tree=each.tree)
            for each in checkpoint.repositories
        ],
    )


def restored_to_proto(restored: RestoredWork) -> pb.RestoreCheckpointResponse:
    """What a checkpoint has brought back."""
    return pb.RestoreCheckpointResponse(
        commits=restored.commits,
        files=restored.files,
        branch=restored.branch,
        failed=restored.failed,
        transition_id=restored.transition_id,
    )


def transition_to_proto(transition: Transition) -> pb.Transition:
    """Something that happened."""
    told = transition.told
    message = pb.Transition(
        number=transition.number,
        transition_id=transition.transition_id,
        sandbox_id=transition.sandbox_id,
        session_id=transition.session_id,
        owner_id=transition.owner_id,
        what=pb.Transition.What.Value(f"WHAT_{told.what.value}"),
        time=time_to_proto(transition.time),
        image=transition.image,
        confinement=transition.confinement,
        reason=told.reason,
        workspace_kept=told.workspace_kept,
        workspace_id=told.workspace_id,
        checkpoint_id=told.checkpoint_id,
        bytes=told.bytes,
        commits=told.commits,
        files=told.files,
        took_ms=told.took_ms,
    )
    if told.idle_deadline is not None:
        message.idle_deadline.CopyFrom(time_to_proto(told.idle_deadline))
    return message
