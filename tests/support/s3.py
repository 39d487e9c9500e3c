"""An S3 endpoint with its credentials, and what our storage adapter leaves to others: making a bucket."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import obstore
from obstore.store import S3Store

from shared.storage.objects import Credentials

_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class S3:
    """Where an S3 is, and who we are there."""

    endpoint: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    bucket: str
    region: str = "us-east-1"

    def url(self, prefix: str) -> str:
        """A GENEQUEUE_STORAGE_URL for what lies below a prefix of the bucket."""
        return f"s3://{self.bucket}/{prefix}?{urlencode({'endpoint': self.endpoint, 'region': self.region})}"

    @property
    def credentials(self) -> Credentials:
        """For code that opens a storage itself."""
        return Credentials(self.access_key_id, self.secret_access_key)

    @property
    def environment(self) -> dict[str, str]:
        """For processes that read their settings."""
        return {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}

    def make_bucket(self) -> None:
        """Make the bucket; one that is there already is fine."""
        store = S3Store(
            self.bucket,
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (answer := self._make(store)).status_code not in {200, 409}:
            # A server that has begun to answer may not be whole yet.
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"The bucket {self.bucket} was not made: {answer.status_code} {answer.text}"
                )
            time.sleep(0.2)

    @staticmethod
    def _make(store: S3Store) -> httpx.Response:
        return httpx.put(obstore.sign(store, "PUT", "", timedelta(minutes=5)), timeout=60)
