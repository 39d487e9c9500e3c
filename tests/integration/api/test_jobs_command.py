"""`genequeue jobs` as a person types it, against a running API."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import Service, background, claim_soon

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def jobs(api: Service, *arguments: object) -> subprocess.CompletedProcess[str]:
    where = {"GENEQUEUE_URL": api.url, "GENEQUEUE_API_KEY": api.key, "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli.main", "jobs", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **where}, capture_output=True, text=True, timeout=150
    )


def said(api: Service, *arguments: object) -> str:
    ran = jobs(api, *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_list_is_filtered_and_goes_over_pages(api: Service) -> None:
    first = api.finished(2, client_metadata={"run": "1"})
    others = [api.submit(1) for _ in range(2)]
    lines = said(api, "list", "--state", "ready", "--metadata", "run=1").splitlines()
    assert len(lines) == 2
    assert lines[1].split()[:4] == [str(first), "ready", "gem-1-bulk", "2/2"]
    assert lines[1].rstrip().endswith("run=1")
    assert str(others[0]) not in said(api, "list", "--limit", "1")
    assert str(others[1]) in said(api, "list", "--limit", "1")


def test_a_pair_that_is_none_is_refused(api: Service) -> None:
    ran = jobs(api, "list", "--metadata", "run")
    assert ran.returncode == 1
    assert "key=value" in ran.stderr


def test_show_prints_the_timeline(api: Service) -> None:
    text = said(api, "show", api.finished(5))
    assert "samples: 5 of 5" in text
    kinds = [line.split()[2] for line in text.splitlines() if "query." in line]
    assert kinds == ["query.queued", "query.running", "query.progress", "query.progress", "query.ready"]


def test_tail_prints_what_happens_until_the_end(api: Service) -> None:
    job_id = api.submit(3)
    with background(lambda: api.completer.complete(*claim_soon(api.completer, 1))):
        lines = said(api, "tail", job_id).splitlines()
    assert [line.split()[1] for line in lines] == ["1", "2", "3", "4"]
    assert lines[2].endswith("query.progress samples_done=3 samples_total=3")
    assert lines[-1].endswith("query.ready")


def test_cancel_retry_and_delete_say_what_they_did(api: Service) -> None:
    ready, failed, queued = api.finished(1), api.submit(1), api.submit(1)
    api.completer.fail(failed, "It broke.")
    assert said(api, "cancel", queued) == f"{queued} is cancelled.\n"
    assert said(api, "cancel", ready) == f"{ready} is ready.\n"
    child = said(api, "retry", failed).strip()
    assert api.get(f"/api/model-queries/{child}").json()["parent_id"] == str(failed)
    assert said(api, "delete", ready) == f"{ready} is deleted.\n"
    assert "deleted" in said(api, "show", ready)
