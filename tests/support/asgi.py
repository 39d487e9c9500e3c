"""One request to an app in this process, without a socket; for what needs no server and no streaming."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx


def ask(app: Any, method: str, url: str, **options: Any) -> httpx.Response:
    """The app's answer; errors that it raises after its answer are not raised here."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.request(method, url, **options)

    return asyncio.run(send())
