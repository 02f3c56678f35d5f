"""What a session of the stand-in has changed."""

from collections.abc import AsyncIterator
from typing import Any

from lucid.sessions.v1 import diffs_pb2 as dpb
from lucid.sessions.v1 import sessions_pb2 as spb

from services.sessions.domain.errors import SandboxAway, SessionAtWork


class Changes:
    """A part of FakeSessions."""

    enter: Any
    events: dict[str, list[Any]]
    _own: Any

    async def GetSessionDiff(self, request: dpb.GetSessionDiffRequest, context: Any) -> dpb.GetSessionDiffResponse:
        self._own(self.enter("GetSessionDiff", request, context), request.session_id)
        edits = [event.file_edited for event in self.events[request.session_id] if event.HasField("file_edited")]
        return dpb.GetSessionDiffResponse(files=edits, base_commit="c", total_files=len(edits), next_page_token="more")

    async def GetSessionPatch(
        self, request: dpb.GetSessionPatchRequest, context: Any
    ) -> AsyncIterator[dpb.GetSessionPatchResponse]:
        self._own(self.enter("GetSessionPatch", request, context), request.session_id)
        for event in self.events[request.session_id]:
            if event.labels.get("breaks"):
                raise SandboxAway
            yield dpb.GetSessionPatchResponse(data=b"+%d\xff\n" % event.seq)

    async def RewindSession(self, request: dpb.RewindSessionRequest, context: Any) -> dpb.RewindSessionResponse:
        session = self._own(self.enter("RewindSession", request, context), request.session_id)
        if session.state == spb.Session.STATE_RUNNING:
            raise SessionAtWork
        return dpb.RewindSessionResponse(seq=9, checkpoint_id="rewind-k", files=2, left=["x"], undo_checkpoint_id="u")
