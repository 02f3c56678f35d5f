"""What a helper is told when it is booted: whose it is, where things lie, what every command finds."""

from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.handing import Handing
from services.sandbox.domain.models import Sandbox
from services.sandbox.ports import Place

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def hello(sandbox: Sandbox, place: Place, handing: Handing, doors: Doorways, output_limit: int) -> dict[str, object]:
    """The first that a helper is told, while it boots."""
    return {
        "op": "hello",
        "entrance": f"{place.run}/{handing.name}",
        "token": handing.token,
        "home": f"{place.run}/gitconfig",
        "epoch": sandbox.epoch,
        "workspace": place.workspace,
        "state": place.state,
        "mark": sandbox.sandbox_id,
        "own_namespace": place.own_namespace,
        **doors.ways(place),
        "disk_limit": place.disk_limit,
        "disk_reserve": place.disk_reserve,
        "env": {**place.variables, **sandbox.env, **_variables(place), **doors.variables(place)},
        "bash": list(place.bash),
        "output_limit": output_limit,
    }


def helpers_path(place: Place) -> str:
    """Where the helper itself finds its programs."""
    return f"{place.programs}:{PATH}" if place.programs and place.own_programs else _path(PATH, place)


def _path(path: str, place: Place) -> str:
    """What the image has comes first."""
    return f"{path}:{place.programs}" if place.programs else path


def _variables(place: Place) -> dict[str, str]:
    """What every command finds; none of it is a secret."""
    return {
        "PATH": _path(place.variables.get("PATH") or PATH, place),
        "HOME": f"{place.state}/home",
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        # Python takes bytecode for fresh when a file's second and size are those of before: an edit may be missed.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "GIT_CONFIG_SYSTEM": f"{place.run}/gitconfig",
        "GIT_TERMINAL_PROMPT": "0",
    }


# Names that are ours, whatever somebody asks for.
FIXED = frozenset(_variables(Place("", "", "", (), own_namespace=True)))
