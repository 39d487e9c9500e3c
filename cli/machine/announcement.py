"""How a child tells whoever started it that it is ready: it writes a newline to a pipe, as under s6."""

from __future__ import annotations

import os

VARIABLE = "GENEQUEUE_READY_FD"  # names the descriptor to the child


class Announcement:
    """One child's pipe. `told` is the end that the child inherits."""

    def __init__(self) -> None:
        self._ear, self.told = os.pipe()
        os.set_blocking(self._ear, False)
        self._open = [self._ear, self.told]
        self._heard = False

    def handed_over(self) -> None:
        """The child has its end now; ours is closed."""
        self._close(self.told)

    @property
    def heard(self) -> bool:
        """Whether the child has said that it is ready."""
        if not self._heard and self._ear in self._open:
            try:
                self._heard = bool(os.read(self._ear, 1))
            except BlockingIOError:
                return False
            self._close(self._ear)  # It spoke, or ended without a word.
        return self._heard

    def close(self) -> None:
        """Listen no more."""
        for descriptor in tuple(self._open):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._open.remove(descriptor)
        os.close(descriptor)
