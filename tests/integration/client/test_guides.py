"""The notebook and the pages for users, run as their readers run them, against a real machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from genequeue.client import Client
from tests.support.machine import ROOT, Machine, clean_environment

# The machine starts, trained models and all, and a notebook's kernel does.
GUIDES = ROOT / "docs/guides"
MODEL = "gem-1-bulk"


def blocks(page: str, language: str) -> list[str]:
    """The examples of a page in some language."""
    return re.findall(rf"```{language}\n(.*?)```", (GUIDES / page).read_text(), flags=re.DOTALL)


@pytest.fixture
def told(machine: Machine) -> dict[str, str]:
    """What a reader's shell says."""
    places = {"GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": machine.key}
    return clean_environment({**places, "MPLBACKEND": "agg"})


def run(code: str, folder: Path, told: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=told, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_from_the_first_cell_to_the_last(told: dict[str, str], tmp_path: Path) -> None:
    del told["MPLBACKEND"]  # A notebook draws into itself.
    notebook = nbformat.read(GUIDES / "first-steps.ipynb", 4)
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(
        notebook, timeout=300, startup_timeout=300, kernel_name="python3", resources=place
    ).execute(env=told)
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert last == "'same'"
    assert (tmp_path / "my-result" / "manifest.json").exists()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 1


def test_a_table_of_conditions_goes_in_and_parts_come_out(told: dict[str, str], tmp_path: Path) -> None:
    (code,) = blocks("large-batches.md", "python")
    assert run(code, tmp_path, told).split() == ["4"]


def test_the_design_of_the_page_is_accepted_and_is_what_it_says(
    machine: Machine, told: dict[str, str], tmp_path: Path
) -> None:
    (design,) = blocks("large-batches.md", "json")
    (tmp_path / "design.json").write_text(design)
    machine.talk("submit", str(tmp_path / "design.json"), "--model", MODEL, "-o", f"{tmp_path / 'result'}/")
    machine.talk("verify", str(tmp_path / "result"))
    with Client(machine.url, machine.key) as client:
        state = client.get("/api/model-queries", limit=1)["model_queries"][0]
    combinations = 2 * 3 - 1
    assert state["progress"]["samples_done"] == combinations * json.loads(design)["num_samples"]


def test_every_example_of_the_page_on_results_runs(told: dict[str, str], tmp_path: Path) -> None:
    """One after the other in one process, as somebody types them who has a query's id.

    But for scanpy, which the notebook runs.
    """
    with Client(told["GENEQUEUE_URL"], told["GENEQUEUE_API_KEY"]) as client:
        sexes = [{"metadata": {"sex": sex}, "num_samples": 20} for sex in ("female", "male")]
        query = client.submit(sexes, MODEL, seed=1).wait()
        query.result().download(tmp_path / "result")
    code = "\n".join(block for block in blocks("results.md", "python") if "scanpy" not in block)
    code = code.replace("<id>", query.id)
    said = run(f"{code}\nprint(table.columns.tolist(), frame.columns[-2:].tolist())", tmp_path, told)
    assert "'state': 'same'" in said
    assert "p_adjusted" in said
    assert "['ALB', 'INS']" in said
    assert len((tmp_path / "markers.csv").read_text().splitlines()) == 41


def test_the_pages_name_options_that_the_command_has(machine: Machine) -> None:
    helped = machine.talk("submit", "--help") + machine.talk("verify", "--help")
    for page in ("large-batches.md", "results.md", "r.md"):
        commands = re.findall(
            r"^genequeue (?:submit|verify).*$|`(--[\w-]+)", (GUIDES / page).read_text(), re.M
        )
        for option in filter(None, commands):
            assert option in helped, f"{page} names {option}"
