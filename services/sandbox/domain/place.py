"""Where things lie in a sandbox, as they are seen inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Paths as they are seen inside, and what runs the helper. `own_namespace`: no foreign process is seen there.

    `bash`: how one is started where the place has none. `programs`: a folder with those that may be missing, and
    `own_programs`: the helper's are those, whatever the place has. `variables`: those that the image sets.
    `disk_limit`: bytes that the helper holds workspace and state to, as the file system does not; 0: no limit.
    `disk_reserve`: bytes that it keeps back on a file system that does, so that a full one can be cleared.
    """

    workspace: str
    state: str
    run: str
    python: tuple[str, ...]
    own_namespace: bool
    bash: tuple[str, ...] = ()
    programs: str = ""
    own_programs: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    disk_limit: int = 0
    disk_reserve: int = 0
