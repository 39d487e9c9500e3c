"""Where the API is and with which key: as the caller says, else as the environment does."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:8000"
# The second names are those of the public clients.
URL_VARIABLES = ("GENEQUEUE_URL", "SYNTHESIZE_API_BASE_URL")
KEY_VARIABLES = ("GENEQUEUE_API_KEY", "GENEQUEUE_KEY", "SYNTHESIZE_API_KEY")


@dataclass(frozen=True, slots=True)
class Place:
    """A server and what opens it."""

    url: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def find(cls, url: str | None, key: str | None) -> Place:
        """What is given, or the first of the variables that is set."""
        return cls((url or _first(URL_VARIABLES) or DEFAULT_URL).rstrip("/"), key or _first(KEY_VARIABLES))

    def reach(self, path: str) -> tuple[str, bool]:
        """The URL of a path, and whether it is this server's own, so that the key may be sent there."""
        if not urlsplit(path).scheme:
            return self.url + path, True
        return path, False


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
