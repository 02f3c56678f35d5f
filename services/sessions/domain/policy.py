"""How a session works, and the event that says so."""

from lucid.sessions.v1.event_pb2 import Budget as BudgetMessage
from lucid.sessions.v1.event_pb2 import ConfirmationMode, SessionConfigured

from services.sessions.domain.models import Budget, Confirmation, Policy


def to_event(policy: Policy) -> SessionConfigured:
    """The whole policy: a reader needs no earlier event to know it."""
    return SessionConfigured(
        confirmation=ConfirmationMode.ValueType(policy.confirmation.value),
        budget=to_budget(policy.budget),
        fallback_model=policy.fallback_model,
    )


def from_event(configured: SessionConfigured) -> Policy:
    """The policy that an event of the log tells."""
    return Policy(Confirmation(configured.confirmation), from_budget(configured.budget), configured.fallback_model)


def to_budget(budget: Budget) -> BudgetMessage:
    """A budget as callers see it."""
    return BudgetMessage(cost_micros=budget.cost_micros, steps=budget.steps, seconds=budget.seconds)


def from_budget(budget: BudgetMessage) -> Budget:
    """A budget as a caller gives it."""
    return Budget(budget.cost_micros, budget.steps, budget.seconds)
