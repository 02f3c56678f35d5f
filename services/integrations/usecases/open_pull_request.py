"""Opens the session's pull request."""

from services.integrations.domain.errors import BranchNotPushed, ConnectionNotFound, GateNotFound
from services.integrations.domain.models import LOCAL, Act, Gate, Proposal
from services.integrations.ports import Ports
from services.integrations.usecases.open_access import Access, open_gate_access
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
    access = await open_gate_access(ports, gate)
    if not access.token and repository.provider != LOCAL:
        raise ConnectionNotFound(f"No {repository.provider} account is connected.", provider=repository.provider)
    wanted = Proposal(
        title=proposal.title,
        body=proposal.body,
        head=await _pushed_branch(ports, gate, access, proposal.head),
        base=proposal.base or repository.default_branch,
        draft=proposal.draft,
    )
    target = f"{repository.provider}:{repository.full_name}:{wanted.head}:{wanted.base}"
    act, new = await ports.outbox.begin(Act(key, session_id, ACT, target))
    if act.answer is not None:
        return act
    made, existed = await place_pull_request(access, repository.full_name, wanted, doubtful=not new)
    return await ports.outbox.finish(key, made, existed)


async def _pushed_branch(ports: Ports, gate: Gate, access: Access, asked: str) -> str:
    """A branch of this session that the provider has. Raises BranchNotPushed."""
    here = (gate.repository.provider, gate.repository.full_name)
    pushes = await ports.gates.pushes(gate.session_id)
    pushed = [push.update.branch for push in pushes if (push.provider, push.repo) == here]
    branch = asked.removeprefix("refs/heads/") or (pushed[-1] if pushed else "")
    if branch in pushed:
        return branch
    # The answer of a push can be lost on its way; then only the provider knows of it.
    if not branch.startswith(gate.branch_prefix) or not await access.place.branch_commit(
        access.token, gate.repository.full_name, branch
    ):
        raise BranchNotPushed(f"Push a branch under {gate.branch_prefix} first.", prefix=gate.branch_prefix)
    return branch
