"""Whether a URL may be told anything, asked while somebody waits for the answer.

The sender asks again at every attempt: this spares people a late surprise, and guards nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules, Target

log = structlog.get_logger()

Resolve = Callable[[str, int], Sequence[str]]
_LOOKUPS_AT_ONCE = 4


def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine's resolver says. Blocks. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _lookups() -> ThreadPoolExecutor:
    # Threads of their own: names that nobody answers for must not hold up the lookups of databases.
    return ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="lookup")


@dataclass(frozen=True, slots=True)
class Destinations:
    """Checks URLs by the rules of this deployment, at the addresses that their names have now."""

    rules: Rules
    resolve: Resolve = system_resolver
    patience: timedelta = timedelta(seconds=2)
    _threads: ThreadPoolExecutor = field(default_factory=_lookups)

    async def check(self, url: str) -> None:
        """Nothing happens to a good URL. A resolver that does not answer in time is no fault of the URL.

        Raises DestinationRefused.
        """
        target = Target.read(url)
        addresses = await self._addresses(target)
        if addresses is not None:
            self.rules.check(target, addresses)

    def close(self) -> None:
        """Look up nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _addresses(self, target: Target) -> Sequence[str] | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                return await loop.run_in_executor(self._threads, self.resolve, target.host, target.port)
        except TimeoutError:
            reason = "it took too long"
        except OSError as error:
            if error.errno != socket.EAI_AGAIN:
                raise DestinationRefused(
                    f"There is no host {target.host}. Correct the name, or try again once it has an address."
                ) from None
            reason = str(error)
        log.warning("webhook.not_looked_up", host=target.host, reason=reason)
        return None
