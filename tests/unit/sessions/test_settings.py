"""Settings that are refused at the start instead of being met later."""

import pytest

from services.sessions.settings import Settings


@pytest.mark.parametrize("share", ["80", "0", "-1", "most"])
def test_a_share_of_the_window_is_one(share: str) -> None:
    with pytest.raises(ValueError, match=r"COMPACT_AT|could not convert"):
        Settings.from_env({"COMPACT_AT": share})


def test_what_long_sessions_are_told() -> None:
    settings = Settings.from_env({"COMPACT_AT": "0.5", "CONTEXT_WINDOW": "32000", "FALLBACK_MODEL": "openai/x"})
    assert (settings.compact_at, settings.context_window) == (0.5, 32_000)
    assert settings.providers.fallback_model == "openai/x"
    assert Settings.from_env({}).compact_at == 0.8
