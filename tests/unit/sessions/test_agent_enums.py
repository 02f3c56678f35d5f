"""Numbers that two protos share, so that the backends may hand them over as they are."""

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from lucid.integrations.v1.integrations_pb2 import PullRequest
from lucid.sandbox.v1.sandbox_pb2 import FileChange, RunCommandResponse
from lucid.sandbox.v1.snapshots_pb2 import FileDiff
from lucid.sessions.v1.event_pb2 import CommandCompleted, FileEdited, PullRequestChanged


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (RunCommandResponse.Exit.Reason, CommandCompleted.Reason),
        (FileChange.Kind, FileEdited.Kind),
        (FileDiff.Kind, FileEdited.Kind),
        (PullRequest.State, PullRequestChanged.State),
    ],
)
def test_the_enums_agree(theirs: EnumTypeWrapper, ours: EnumTypeWrapper) -> None:
    assert dict(theirs.items()).items() <= dict(ours.items()).items()
