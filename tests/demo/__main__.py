"""Starts a machine on a temporary folder, asks it with the public client, shows what came back, stops it."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pysynthbio
from rich.console import Console
from rich.table import Table

from genequeue.client import Client
from shared.errors import GeneQueueError
from tests.demo.picture import draw, log_cpm
from tests.demo.questions import MARKERS, NAMES, QUESTIONS, Question
from tests.demo.webhook import told
from tests.support.machine import Machine

OUTPUT = Path("demo-output")
console = Console(highlight=False)
Frames = dict[str, pd.DataFrame]


def main() -> None:
    """The whole demo; exit status 1 with a sentence if any of it does not work."""
    try:
        with TemporaryDirectory(prefix="genequeue-demo-") as name:
            folder = Path(name)
            folder.chmod(0o711)  # Postgres refuses to run as root, and then needs a way to its own folder.
            run(folder / "data")
    except (
        GeneQueueError,
        pysynthbio.SynthesizeAPIError,
        httpx.HTTPError,
        subprocess.CalledProcessError,
    ) as error:
        console.print(f"[bold red]The demo did not work:[/] {error}")
        sys.exit(1)


def run(data_dir: Path) -> None:
    """Start, ask everything, draw, stop."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    with console.status("genequeue up: Postgres, Valkey, the API and two workers ..."):
        began = time.perf_counter()
        machine = Machine(data_dir).start()
    console.print(f"[green]ready[/] in {time.perf_counter() - began:.1f} s at {machine.url}")
    try:
        os.environ["SYNTHESIZE_API_BASE_URL"], os.environ["SYNTHESIZE_API_KEY"] = machine.url, machine.key
        client = Client(machine.url, machine.key)
        console.print(
            f"models: {', '.join(model['model_id'] for model in client.get('/api/models')['models'])}"
        )
        with told(client) as receiver:
            answers = {question.name: ask(question, client) for question in QUESTIONS}
            from_the_shell(QUESTIONS[1], machine)
            kept(machine, client)
            receiver.show(console, len(QUESTIONS) + 1)
        show(answers, client)
    finally:
        with console.status("stopping"):
            machine.stop()
    console.print(f"[green]stopped[/]; the files are in {OUTPUT}/")


def ask(question: Question, client: Client) -> Frames:
    """One question, through the unmodified public client."""
    query = copy.deepcopy(question.query)
    if query is None:
        query = pysynthbio.get_example_query(model_id=question.model_id)["example_query"]
    samples = sum(item["num_samples"] for item in query["inputs"])
    console.print(
        f"\n[bold]{question.title}[/] ({question.model_id}, {query['sampling_strategy']}, {samples} samples)"
    )
    began = time.perf_counter()
    with console.status("pysynthbio.predict_query waits ..."):
        frames: Frames = pysynthbio.predict_query(dict(query), model_id=question.model_id)
    seconds = time.perf_counter() - began
    shape = " x ".join(f"{size:,}" for size in frames["expression"].shape)
    console.print(
        f"  expression {shape} (samples x genes), latents {list(frames['latents'])}, {seconds:.1f} s"
    )
    path = OUTPUT / f"{question.name}.parquet"
    write(path, frames)
    console.print(f"  written to {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return frames


def write(path: Path, frames: Frames) -> None:
    """One row per sample, counts in a list column: a column per gene would be many times larger."""
    rows = frames["metadata"].assign(counts=list(frames["expression"].to_numpy(np.int32)))
    table = pa.Table.from_pandas(rows, preserve_index=False)
    genes = json.dumps(frames["expression"].columns.tolist())
    pq.write_table(table.replace_schema_metadata({"gene_order": genes}), path, compression="zstd")


def from_the_shell(question: Question, machine: Machine) -> None:
    """The same with our own command, which draws its progress and writes AnnData."""
    query, result = OUTPUT / f"{question.name}.json", OUTPUT / f"{question.name}.h5ad"
    query.write_text(json.dumps(question.query, indent=2))
    arguments = ["submit", str(query), "--model", question.model_id, "--output", str(result)]
    console.print(f"\n[bold]The same from the shell[/]: genequeue {' '.join(arguments)}")
    environment = {**os.environ, "GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": machine.key}
    subprocess.run([sys.executable, "-m", "cli.main", *arguments], check=True, env=environment)


def kept(machine: Machine, client: Client) -> None:
    """The last result as a folder of parts, and proof that every byte is what the server signed."""
    newest = client.get("/api/model-queries", limit=1)["model_queries"][0]["id"]
    folder = f"{OUTPUT / 'result'}/"
    machine.talk("status", newest, "--output", folder)
    console.print(machine.talk("verify", folder).strip())


def show(answers: dict[str, Frames], client: Client) -> None:
    """Tables of marker genes by condition, and the picture."""
    panels = []
    for question in QUESTIONS:
        symbols = {
            gene["ensembl_id"]: gene["symbol"]
            for gene in client.get(f"/api/models/{question.model_id}/genes")["genes"]
        }
        frames = answers[question.name]
        counts = frames["expression"].rename(columns=symbols)
        counts = counts.loc[:, ~counts.columns.duplicated()]
        conditions = frames["metadata"].apply(condition_name, axis=1)
        console.print(f"\n[bold]{question.title}[/], mean counts per million")
        console.print(marker_table(counts, conditions))
        if question.query is not None:
            panels.append((question.title, counts, conditions))
    path = OUTPUT / "answer.png"
    draw(path, panels, MARKERS)
    console.print(f"picture: {path}")


def condition_name(metadata: pd.Series) -> str:
    """What was asked for, in words where we have them."""
    fields = (
        "sex",
        "tissue_ontology_id",
        "cell_type_ontology_id",
        "disease_ontology_id",
        "perturbation_ontology_id",
    )
    asked = [metadata[field] for field in fields if metadata[field]]
    return " ".join(NAMES.get(value, value) for value in asked) or "anything"


def marker_table(counts: pd.DataFrame, conditions: pd.Series) -> Table:
    """Mean counts per million of the marker genes by condition; bold where ten times the others' mean."""
    means = np.expm1(log_cpm(counts)).groupby(conditions, sort=False).mean()
    table = Table(box=None, header_style="bold")
    table.add_column("gene", style="italic")
    for condition in means.index:
        table.add_column(str(condition), justify="right")
    for gene in (gene for gene in MARKERS if gene in means):
        others = {condition: means[gene].drop(condition).mean() for condition in means.index}
        cells = (
            f"[bold green]{value:,.0f}[/]" if value > max(10 * others[condition], 1) else f"{value:,.0f}"
            for condition, value in means[gene].items()
        )
        table.add_row(gene, *cells)
    return table


if __name__ == "__main__":
    main()
