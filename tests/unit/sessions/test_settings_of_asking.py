"""What the operator says about asking and spending."""

import pytest

from services.sessions.domain.models import Confirmation
from services.sessions.settings import Settings


def test_what_is_said_is_taken() -> None:
    env = {"CONFIRMATION_MODE": "always", "SESSION_BUDGET_USD": "2.5", "QUESTION_TIMEOUT": "60"}
    settings = Settings.from_env(env)
    assert settings.confirmation is Confirmation.ALWAYS
    assert (settings.session_budget_usd, settings.question_timeout) == (2.5, 60)
    unsaid = Settings.from_env({})
    assert unsaid.confirmation is Confirmation.DEFAULT
    assert (unsaid.session_budget_usd, unsaid.question_timeout) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONFIRMATION_MODE", "sometimes"),
        ("CONFIRMATION_MODE", "ALWAYS"),
        ("SESSION_BUDGET_USD", "-1"),
        ("SESSION_BUDGET_USD", "inf"),
        ("SESSION_BUDGET_USD", "nan"),
        ("QUESTION_TIMEOUT", "-0.1"),
        ("QUESTION_TIMEOUT", "soon"),
    ],
)
def test_what_is_no_answer_ends_the_start(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name if value != "soon" else "soon"):
        Settings.from_env({name: value})
