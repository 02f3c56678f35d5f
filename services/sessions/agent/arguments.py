"""A tool's arguments between the log (google.protobuf.Struct) and Python's own values."""

from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """A Struct (or a value of one) as dict, list, text, number, bool or None; whole numbers become int."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping) or hasattr(value, "fields"):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value]


def text_of(args: Mapping[str, Any], name: str, default: str = "") -> str:
    """A text argument; a number where a text was meant is read as one. Raises BadArgument."""
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadArgument(f"`{name}` must be a text.")
    return str(value)


def required(args: Mapping[str, Any], name: str) -> str:
    """A text argument that must not be empty. Raises BadArgument."""
    value = text_of(args, name)
    if not value.strip():
        raise BadArgument(f"`{name}` is missing.")
    return value


def integer(args: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A whole number, pulled into its range. Raises BadArgument."""
    value = args.get(name, default)
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgument(f"`{name}` must be a whole number.")
    return int(max(low, min(high, value)))


def flag(args: Mapping[str, Any], name: str) -> bool:
    """Yes or no; no where it is not given. Raises BadArgument."""
    value = args.get(name)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if value is None or isinstance(value, bool):
        return value is True
    raise BadArgument(f"`{name}` must be true or false.")


def texts(args: Mapping[str, Any], name: str, most: int, longest: int) -> tuple[str, ...]:
    """Some texts, none of them empty; a single one where a list was meant is read as one. Raises BadArgument."""
    value = args.get(name) or ()
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) and text for text in found):
        raise BadArgument(f"`{name}` must be a list of texts.")
    if len(found) > most or any(len(text) > longest for text in found):
        raise BadArgument(f"`{name}` may hold at most {most} texts of at most {longest} characters.")
    return tuple(found)


class BadArgument(Exception):
    """The model called a tool with arguments that it cannot take; the text is for the model."""
