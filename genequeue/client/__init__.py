"""The Python client: submit queries, wait for them, open their results.

`Client` blocks, `AsyncClient` awaits.
"""

from genequeue.client.async_client import AsyncClient, AsyncQuery
from genequeue.client.async_result import AsyncResult
from genequeue.client.client import Client, Query
from genequeue.client.errors import (
    AccessRefused,
    Busy,
    Conflicting,
    DownloadDamaged,
    Gone,
    NotThere,
    PackageMissing,
    QueryEnded,
    QueryRefused,
    RequestFailed,
    ServerAway,
    VerificationFailed,
)
from genequeue.client.result import Result

__all__ = [
    "AccessRefused",
    "AsyncClient",
    "AsyncQuery",
    "AsyncResult",
    "Busy",
    "Client",
    "Conflicting",
    "DownloadDamaged",
    "Gone",
    "NotThere",
    "PackageMissing",
    "Query",
    "QueryEnded",
    "QueryRefused",
    "RequestFailed",
    "Result",
    "ServerAway",
    "VerificationFailed",
]
