"""The environment in which git is ever run by us: nothing of this machine's or a person's configuration."""

import os
from collections.abc import Mapping

# Given as variables, not flags, so that http-backend's own children have them too.
_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "safe.directory": "*",
    "gc.auto": "0",
    "receive.autogc": "false",
    "receive.fsckObjects": "true",
    "receive.denyDeletes": "true",
    "receive.advertisePushOptions": "false",
    "uploadpack.allowFilter": "true",
    "http.receivepack": "true",
    "protocol.allow": "never",
    "commit.gpgSign": "false",
}


def git_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """For a child git in one of our bare repositories."""
    environment = {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_COUNT": str(len(_CONFIG)),
    }
    for number, (key, value) in enumerate(_CONFIG.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment | dict(extra or {})
