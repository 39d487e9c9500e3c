"""What an Accept header accepts, as far as we choose between forms."""

from __future__ import annotations


def accepts(header: str, media_type: str) -> bool:
    """Whether the header names this media type, in any case, not with weight 0. Wildcards name nothing."""
    for entry in header.lower().split(","):
        name, *parameters = (part.replace(" ", "") for part in entry.split(";"))
        if name == media_type:
            return not any(part.startswith("q=0") and not part.strip("q=0.") for part in parameters)
    return False
