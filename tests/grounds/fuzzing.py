"""Random requests, the same for the same seed: bytes, and messages of every shape that the protos allow and forbid."""

import random
import string
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

DEEP = 4
WORDS = ["t", "Mend the tea timer", "a b", "README.md", "main", "lucid/teatime", "0", "true", "5 \n lines\n", "x" * 90]
NASTY = [
    "", "\0", "a\0b", " ", "\n", "\t\r\v", "\u202egnp.exe", "😀" * 3, "e\u0301", "\ufeff", "\ud7ff", "\U0010ffff",
    "\uff46\uff55", "İ", "ß", "..", "../../etc/passwd", "/etc/shadow", "/", "//", ".git/config", "a/../../b", "~",
    "-rf", "--help", "$(id)", "`id`", "'; DROP TABLE sessions; --", "%00", "%n%s", "{}", "[", '"', "\\", "null", "NaN",
    "1e999", "-1", str(2**64), "http://127.0.0.1:1/a/b", "http://[::1", "http://", "file:///etc/passwd", "//x",
    "git@host.example:a/b.git", "http://a@b:c@d/", "http://127.0.0.1:99999/", "javascript:alert(1)", "local", "github",
    "gitlab", "demo", "ses_0000000000", "sbx_0000000000",
    "x" * 256, "ä" * 300, "y" * 5000, "z\n" * 3000, "a/" * 2000,
]  # fmt: skip
NUMBERS = [
    0,
    1,
    2,
    3,
    10,
    100,
    1000,
    10_000,
    2**16,
    2**31 - 1,
    2**31,
    2**32 - 2,
    2**32 - 1,
    2**53,
    2**63 - 1,
    2**64 - 1,
]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 1e300, float("inf"), float("-inf"), float("nan")]
_SIGNED = {FieldDescriptor.CPPTYPE_INT32: 2**31, FieldDescriptor.CPPTYPE_INT64: 2**63}
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32: 2**32, FieldDescriptor.CPPTYPE_UINT64: 2**64}


class Chance:
    """`known`: by a field's name, values that lead somewhere: ids of what is there, words of the right form."""

    def __init__(self, seed: str, known: Mapping[str, Sequence[Any]]) -> None:
        self._random = random.Random(seed)
        self._known = known

    def bytes(self, descriptor: Descriptor) -> bytes:
        """Bytes that are mostly no message: noise, or a message with some of its bytes changed."""
        if self._random.random() < 0.5:
            return self._random.randbytes(self._random.choice((0, 1, 2, 3, 8, 40, 400)))
        data = bytearray(self.message(descriptor).SerializeToString() or b"\x0a\x01a")
        for _ in range(self._random.randint(1, 4)):
            place = self._random.randrange(len(data))
            if self._random.random() < 0.3:
                del data[place:]
            else:
                data[place : place + self._random.randint(0, 2)] = self._random.randbytes(self._random.randint(0, 3))
            data = data or bytearray(b"\xff")
        return bytes(data)

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message. Most have every field of a good form; in the others anything may stand anywhere."""
        message = GetMessageClass(descriptor)()
        wild = self._random.random() < (0.35 if depth == 0 else 0.1)
        for field in descriptor.fields:
            if self._random.random() < (0.6 if wild or field.containing_oneof else 0.85):
                self._fill(message, field, wild, depth)
        return message

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of them."""
        return self._random.choice(choices)

    def _fill(self, message: Message, field: FieldDescriptor, wild: bool, depth: int) -> None:
        if field.is_repeated:
            count = self._random.choice((0, 1, 2, 3, 60)) if wild else self._random.randint(0, 2)
            for _ in range(count):
                self._add(getattr(message, field.name), field, wild, depth)
        elif field.message_type is not None:
            if depth < DEEP:
                getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))
        else:
            setattr(message, field.name, self._scalar(field, wild))

    def _add(self, values: Any, field: FieldDescriptor, wild: bool, depth: int) -> None:
        entry = field.message_type
        if entry is None:
            values.append(self._scalar(field, wild))
        elif entry.GetOptions().map_entry:
            key = self._scalar(entry.fields_by_name["key"], wild)
            value = entry.fields_by_name["value"]
            if value.message_type is None:
                values[key] = self._scalar(value, wild)
            else:
                values[key].CopyFrom(self.message(value.message_type, depth + 1))
        elif depth < DEEP:
            values.add().CopyFrom(self.message(entry, depth + 1))

    def _scalar(self, field: FieldDescriptor, wild: bool) -> Any:
        if field.name in self._known and self._random.random() < (0.5 if wild else 0.97):
            return self._random.choice(self._known[field.name])
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            text = self._text(wild)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self._random.random() < 0.5
        if field.enum_type is not None:
            return self._random.choice(
                [value.number for value in field.enum_type.values] + ([99, -1, 2**30] if wild else [])
            )
        if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return self._random.choice(FLOATS)
        return self._number(kind, wild)

    def _number(self, kind: int, wild: bool) -> int:
        number = self._random.choice(NUMBERS if wild else NUMBERS[:7])
        if kind in _UNSIGNED:
            return number % _UNSIGNED[kind]
        limit = _SIGNED[kind]
        return min(limit - 1, number) if self._random.random() < 0.7 or not wild else -min(limit, number)

    def _text(self, wild: bool) -> str:
        if not wild:
            return str(self._random.choice(WORDS))
        if self._random.random() < 0.8:
            return str(self._random.choice(NASTY))
        letters = self._random.choice((string.printable, "äöüß€😀\u200b\u2028\x7f\x01", "01"))
        return "".join(self._random.choices(letters, k=self._random.choice((1, 7, 70))))
