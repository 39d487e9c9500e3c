"""Requests as httpx makes them, but patient: of itself it gives up after five seconds of silence.

They are for servers on this machine, which speak no TLS: nobody reads the list of all authorities for each.
"""

from __future__ import annotations

from functools import partial

import httpx

# Seconds, for what must come at all.
PATIENCE = 100.0

get = partial(httpx.get, timeout=PATIENCE, verify=False)
head = partial(httpx.head, timeout=PATIENCE, verify=False)
options = partial(httpx.options, timeout=PATIENCE, verify=False)
post = partial(httpx.post, timeout=PATIENCE, verify=False)
request = partial(httpx.request, timeout=PATIENCE, verify=False)
stream = partial(httpx.stream, timeout=PATIENCE, verify=False)
