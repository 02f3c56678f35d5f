"""Every refusal has a code, a reason of its own and words for people."""

import importlib
import pkgutil
import re
from collections import defaultdict

import services
from services.rpc.errors import Code, LucidError


def refusals() -> list[type[LucidError]]:
    """Every class that a service's domain or the call machinery can refuse with."""
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    found, seen = [LucidError], set[type[LucidError]]()
    while found:
        seen.add(here := found.pop())
        found += here.__subclasses__()
    return sorted(seen - {LucidError}, key=lambda error: (error.__module__, error.__name__))


def public() -> list[type[LucidError]]:
    """Those that a service names itself: a remote refusal carries its reason per instance."""
    return [error for error in refusals() if error.__module__.endswith(".errors")]


def test_all_services_have_errors() -> None:
    owners = {error.__module__.split(".")[1] for error in public()}
    assert owners >= {"rpc", "sandbox", "sessions", "integrations", "gateway"}


def test_reasons_are_words_in_capitals() -> None:
    illegal = [error.reason for error in public() if not re.fullmatch(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]", error.reason)]
    assert illegal == []


def test_a_service_uses_a_reason_once() -> None:
    names = defaultdict(list)
    for error in public():
        # A special case of a refusal may share its face.
        if error.reason != getattr(error.__mro__[1], "reason", None):
            names[error.__module__, error.reason].append(error.__name__)
    assert {key: classes for key, classes in names.items() if len(classes) > 1} == {}


def test_a_reason_means_the_same_everywhere() -> None:
    codes = defaultdict(set)
    for error in public():
        codes[error.reason].add(error.code)
    assert {reason: found for reason, found in codes.items() if len(found) > 1} == {}


def test_every_refusal_has_a_code_and_words() -> None:
    for error in public():
        instance_words = error.default.strip()
        assert isinstance(error.code, Code), error
        assert error.__doc__, error
        assert instance_words != "" or "__init__" in vars(error), f"{error} has no words for people"
        assert error.reason != LucidError.reason, f"{error} hides behind INTERNAL"
