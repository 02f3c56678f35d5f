"""Opens the session's pull request."""

from services.integrations.domain.errors import BranchNotPushed, GateNotFound
from services.integrations.domain.models import Act, Gate, Proposal
from services.integrations.ports import Ports
from services.integrations.usecases.find_provider import find_provider
from services.integrations.usecases.open_token import open_token
from services.integrations.usecases.place_pull_request import place_pull_request

ACT = "open_pull_request"


async def open_pull_request(ports: Ports, key: str, session_id: str, proposal: Proposal, epoch: int) -> Act:
    """The act with its answer; the same key again gives the first answer.

    An empty head is the branch pushed last, an empty base the default branch. Raises Fenced, GateNotFound,
    BranchNotPushed, ConnectionNotFound, ProviderUnavailable.
    """
    await ports.gates.fence(session_id, epoch)
    gate = await ports.gates.find(session_id)
    if gate is None:
        raise GateNotFound
    repository = gate.repository
    token = await open_token(ports, gate.owner_id, repository.provider)
    wanted = Proposal(
        title=proposal.title,
        body=proposal.body,
        head=await _pushed_branch(ports, gate, token, proposal.head),
        base=proposal.base or repository.default_branch,
        draft=proposal.draft,
    )
    target = f"{repository.provider}:{repository.full_name}:{wanted.head}:{wanted.base}"
    act, new = await ports.outbox.begin(Act(key, session_id, ACT, target))
    if act.answer is not None:
        return act
    made, existed = await place_pull_request(ports, token, repository, wanted, doubtful=not new)
    return await ports.outbox.finish(key, made, existed)


async def _pushed_branch(ports: Ports, gate: Gate, token: str, asked: str) -> str:
    """A branch of this session that the provider has. Raises BranchNotPushed."""
    pushed = [push.update.branch for push in await ports.gates.pushes(gate.session_id)]
    branch = asked.removeprefix("refs/heads/") or (pushed[-1] if pushed else "")
    if branch in pushed:
        return branch
    # The answer of a push can be lost on its way; then only the provider knows of it.
    place = find_provider(ports, gate.repository.provider)
    if not branch.startswith(gate.branch_prefix) or not await place.branch_commit(
        token, gate.repository.full_name, branch
    ):
        raise BranchNotPushed(f"Push a branch under {gate.branch_prefix} first.", prefix=gate.branch_prefix)
    return branch
