"""A webhook's request as it came, and as it lies in a file: headers, an empty line, the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

import orjson

from shared.errors import InvalidInput
from shared.webhooks.signatures import ID, SIGNATURE, TIMESTAMP

WEBHOOK_HEADERS = ("content-type", "user-agent", ID, TIMESTAMP, SIGNATURE)
_GAP = re.compile(rb"\r?\n\r?\n")
_FIRST_LINE = re.compile(r"[A-Z]+ \S+ HTTP/[0-9.]+")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """The headers, by their names in lower case, and the exact body."""

    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def read(cls, file: Path, headers: Path | None = None) -> Self:
        """A saved request: one file, or the body in one and the headers in another. Raises InvalidInput."""
        if headers is not None:
            return cls(_parsed(_bytes(headers), headers), _bytes(file))
        parts = _GAP.split(_bytes(file), maxsplit=1)
        if len(parts) < 2:
            raise InvalidInput(
                f"{file} has no empty line between headers and body. Add the headers above the body, or name "
                "the file that has them with --headers."
            )
        return cls(_parsed(parts[0], file), parts[1])

    def save(self, folder: Path) -> Path:
        """Write it to a new file named after its id; each attempt has one. Raises OSError."""
        head = "".join(f"{name}: {self.headers[name]}\n" for name in WEBHOOK_HEADERS if name in self.headers)
        name = _UNFIT.sub("_", self.headers.get(ID, "unsigned"))[:80]
        for number in count(1):
            path = folder / f"{name}.{number}.http"
            try:
                with path.open("xb") as file:
                    file.write(head.encode() + b"\n" + self.body)
            except FileExistsError:
                continue
            break
        return path

    @property
    def payload(self) -> Mapping[str, object]:
        """The body, if it is a JSON object; else an empty one."""
        try:
            read = orjson.loads(self.body)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}


def _parsed(head: bytes, file: Path) -> dict[str, str]:
    found = dict[str, str]()
    lines = head.decode("latin-1").splitlines()
    for number, line in enumerate(lines, start=1):
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
        elif line.strip() and not (number == 1 and _FIRST_LINE.fullmatch(line)):
            raise InvalidInput(f"Line {number} of {file} is no header. Write each as `webhook-id: msg_...`.")
    return found


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
