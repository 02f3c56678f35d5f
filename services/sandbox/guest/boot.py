"""The text given to `python3 -c`: takes the bundle from standard input and starts it."""

import json
import os
import sys
from importlib.machinery import ModuleSpec


def read_exactly(size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D103
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            sys.exit(1)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Bundle:
    """Finds `guest.*` in a mapping of sources."""

    def __init__(self, sources):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        self.sources = sources

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """A module of the bundle, else None."""
        if name in self.sources:
            return ModuleSpec(name, self, is_package=name == "guest")
        return None

    def create_module(self, spec):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """The default one."""
        return None  # noqa: RET501

    def exec_module(self, module):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Runs its source."""
        exec(compile(self.sources[module.__name__], module.__name__, "exec"), module.__dict__)


sys.meta_path.insert(0, Bundle(json.loads(read_exactly(int.from_bytes(read_exactly(4), "big")))))
__import__("guest.main")
sys.modules["guest.main"].main()
