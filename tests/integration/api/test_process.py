"""The API as a process of its own: how it starts, what it logs, how it stops."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from shared.database.engines import sync_engine
from shared.links import LinkSigner, report
from shared.storage.objects import open_storage
from shared.storage.reports import report_key
from tests.support import calls
from tests.support.api import SECRET, Service, closing_engine, new_key, query_of, settings_for
from tests.support.catalogs import unread_model
from tests.support.completer import Completer
from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]
GENES = 20_000


@pytest.fixture
def environment(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    unread_model(tmp_path / "models", genes=GENES, samples_per_chunk=40)
    return {
        **os.environ,
        "GENEQUEUE_DATABASE_URL": database_url,
        "GENEQUEUE_REDIS_URL": redis_url,
        "GENEQUEUE_STORAGE_URL": f"file://{tmp_path}/objects",
        "GENEQUEUE_MODELS_DIR": f"{tmp_path}/models",
        "GENEQUEUE_SECRET_KEY": SECRET,
    }


@pytest.fixture
def grace() -> int:
    """Seconds for answers that are under way when the process is told to stop."""
    return 2


@pytest.fixture
def start(
    environment: dict[str, str], grace: int, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the process as an operator does; its log is `api.log`."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.main:create_app"]
        options = ["--port", "0", "--timeout-graceful-shutdown", str(grace)]
        with (tmp_path / "api.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *options], cwd=ROOT, env=environment, stderr=log, stdout=subprocess.DEVNULL
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def running(
    start: Callable[[], subprocess.Popen[bytes]], environment: dict[str, str]
) -> Iterator[tuple[Service, subprocess.Popen[bytes]]]:
    process = start()
    wait_until(lambda: bool(ports_of(process)), calls.PATIENCE)
    (port,) = ports_of(process)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url))
    settings = settings_for(
        database_url=environment["GENEQUEUE_DATABASE_URL"],
        redis_url=environment["GENEQUEUE_REDIS_URL"],
        storage_url=environment["GENEQUEUE_STORAGE_URL"],
    )
    engine = sync_engine(environment["GENEQUEUE_DATABASE_URL"], pool_size=1)
    with closing_engine(engine):
        storage = open_storage(environment["GENEQUEUE_STORAGE_URL"])
        yield Service(url, settings, engine, storage, new_key(engine, "default")), process


def ports_of(process: subprocess.Popen[bytes]) -> set[int]:
    """Where it listens: it has chosen that itself, so nobody else can be there."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}


def answers(url: str) -> bool:
    try:
        return calls.get(f"{url}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def log_lines(tmp_path: Path) -> list[dict[str, Any]]:
    written, _, _ = (tmp_path / "api.log").read_text().rpartition("\n")  # the last line may be half written
    return [json.loads(line) for line in written.splitlines()]


@pytest.mark.parametrize("grace", [100])
def test_a_download_that_has_begun_ends_whole_when_the_process_is_told_to_stop(
    running: tuple[Service, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """The result is larger than the buffers between the two, so most of it is sent after the signal."""
    api, process = running
    job_id = api.submit(200)
    Completer(api.engine, api.storage, genes=GENES).run_all()
    link = api.download_url(job_id)
    with calls.stream("GET", link, headers={"Accept-Encoding": "identity"}) as answer:
        pieces = answer.iter_raw(1 << 16)
        received = bytearray(next(pieces))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not answers(api.url))
        for piece in pieces:
            received += piece
    assert len(json.loads(received)["outputs"]) == 200
    assert len(received) > 20_000_000
    assert process.wait(calls.PATIENCE) == -signal.SIGTERM
    assert log_lines(tmp_path)[-1]["event"].startswith("Finished server process")
    # A link is a secret: the log names the path and not the signature.
    log = (tmp_path / "api.log").read_text()
    assert f"/api/downloads/{job_id}" in log
    assert "signature" not in log


def test_a_caller_who_waits_is_told_that_the_server_stops(
    running: tuple[Service, subprocess.Popen[bytes]],
) -> None:
    api, process = running
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.predict, query_of(1), headers=headers)
        completer = Completer(api.engine, api.storage, genes=GENES)
        wait_until(lambda: bool(completer.claim(1)))
        process.send_signal(signal.SIGTERM)
        answer = waiting.result(calls.PATIENCE)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "stopping" in answer.json()["error"]
    assert process.wait(calls.PATIENCE) == -signal.SIGTERM


def test_every_line_of_the_log_is_json_and_carries_the_callers_request_id(
    running: tuple[Service, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    api, _ = running
    answer = api.get("/api/models/gem-9", headers={"X-Request-ID": "trace-7"})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "trace-7"
    odd = api.get("/api/models", headers={"X-Request-ID": "two words; and more"})
    assert odd.headers["x-request-id"] != "two words; and more"
    wait_until(lambda: any(line.get("request_id") == "trace-7" for line in log_lines(tmp_path)))
    (line,) = [line for line in log_lines(tmp_path) if line.get("request_id") == "trace-7"]
    assert (line["event"], line["path"], line["status"]) == ("request", "/api/models/gem-9", 404)


def test_a_changed_checkpoint_is_refused_at_the_start_by_name(
    start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    weights = tmp_path / "models" / "gem-1-bulk" / "weights.safetensors"
    weights.write_bytes(b"never reaD")
    assert start().wait(calls.PATIENCE) != 0
    errors = [line["error"] for line in log_lines(tmp_path) if line["event"] == "api.cannot_start"]
    assert len(errors) == 1
    assert str(weights) in errors[0]


def test_a_large_file_comes_and_goes_in_little_memory(
    running: tuple[Service, subprocess.Popen[bytes]],
) -> None:
    """200 MB in through an upload, and out again through a signed link, to a reader who is slow at first."""
    service, process = running
    size, piece = 200 << 20, random.Random(2).randbytes(1 << 20)
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Offset": "0"}
    path = service.call("POST", "/api/uploads", headers=tus).headers["location"].removeprefix(service.url)
    before = peak_memory(process)
    bytes_come = {**tus, "Content-Type": "application/offset+octet-stream"}
    answer = service.call("PATCH", path, headers=bytes_come, content=itertools.repeat(piece, size >> 20))
    assert answer.headers["upload-offset"] == str(size)
    report_id = uuid4()
    service.storage.write_stream(report_key(report_id), itertools.repeat(piece, size >> 20))
    link = LinkSigner(SECRET.encode(), timedelta(hours=1)).path(report(report_id))
    read = 0
    with calls.stream("GET", service.url + link) as coming:
        for got in coming.iter_raw():
            time.sleep(0.5 if not read else 0)
            read += len(got)
    assert read == size
    assert peak_memory(process) - before < 100 << 20


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a process has held so far, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) << 10
