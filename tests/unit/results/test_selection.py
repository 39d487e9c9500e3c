"""A selection gives what it names and nothing else, in every form that is streamed."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from shared.errors import InvalidInput
from shared.queries.requests import RequestType
from shared.results.arrow_form import stream_arrow
from shared.results.csv_form import stream_csv, usual_columns
from shared.results.forms import FORMS
from shared.results.header import ResultHeader
from shared.results.json_form import stream_json
from shared.results.part import (
    COUNTS,
    CUSTOM_ID,
    LATENT_GROUPS,
    METADATA_COLUMNS,
    Samples,
    counts_matrix,
    part_table,
)
from shared.results.selection import INDICES, Selection
from shared.results.wishes import read_selection
from tests.unit.results.test_recognition import CLASSES, predictions
from tests.unit.results.test_recognition import HEADER as OF_PREDICTIONS


@dataclass(frozen=True)
class Gene:
    """A gene of a model that is named for these tests."""

    ensembl_id: str
    symbol: str


KNOWN = tuple(Gene(f"ENSG{number:011d}", f"GENE{number // 2}") for number in range(20))
HEADER = ResultHeader(tuple(gene.ensembl_id for gene in KNOWN), "gem-1-bulk", 3)


def part() -> pa.Table:
    """Three inputs of four samples each; the count of gene g in row r is 100 r + g."""
    counts = 100 * np.arange(12)[:, None] + np.arange(20)[None, :]
    return part_table(
        Samples(
            input_index=np.repeat([0, 1, 2], 4),
            sample_index=np.tile(np.arange(4), 3),
            condition_of=np.repeat([0, 1, 2], 4),
            metadata=[{"sex": "male", CUSTOM_ID: name} for name in ("a", 'b, the "second"', "c")],
            counts=counts.astype(np.int32),
            latents={group: np.full((12, 2), 0.5, np.float32) for group in LATENT_GROUPS},
        )
    )


def asked(
    genes: str | None = None,
    inputs: str | None = None,
    columns: str | None = None,
    heads: tuple[str, ...] = (),
) -> Selection:
    return read_selection(genes, inputs, columns, KNOWN, heads)


def test_nothing_asked_for_is_everything() -> None:
    assert asked().is_everything
    assert asked().of(part(), 20).equals(part())


def test_genes_by_symbol_or_id_are_those_genes_in_the_order_of_the_model() -> None:
    selection = asked(genes=f"{KNOWN[7].ensembl_id},gene1")
    assert selection.genes == (2, 3, 7)  # a symbol that two genes share stands for both
    counts = counts_matrix(selection.of(part(), 20).column(COUNTS), 3)
    assert counts[5].tolist() == [502, 503, 507]
    assert selection.header(HEADER).gene_order == tuple(KNOWN[place].ensembl_id for place in (2, 3, 7))


def test_a_selection_of_genes_reads_no_latents_unless_they_are_asked_for() -> None:
    names = part().column_names
    assert "biological_latent" not in (asked(genes="GENE1").reads(names) or names)
    assert "biological_latent" in (asked(genes="GENE1", columns="latents").reads(names) or ())


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [("1", range(4, 8)), ("0-1", range(8)), ("2,0", [0, 1, 2, 3, 8, 9, 10, 11]), ("c", range(8, 12))],
)
def test_inputs_are_positions_ranges_or_ids(inputs: str, rows: range | list[int]) -> None:
    selection = asked(inputs=inputs)
    assert counts_matrix(selection.of(part(), 20).column(COUNTS), 20)[:, 0].tolist() == [
        100 * row for row in rows
    ]


def test_columns_are_those_and_the_ones_that_rows_are_named_by() -> None:
    assert asked(columns="sex").of(part(), 20).column_names == [*INDICES, "sex"]
    assert asked(columns="sex").header(HEADER).gene_order == ()


def test_every_fault_is_named_with_what_could_have_been_meant() -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(genes="GENE1,GENF1", inputs="9-3", columns="sexx")
    assert [fault.path for fault in refused.value.faults] == ["genes", "inputs", "columns"]
    assert "GENE1" in refused.value.faults[0].message
    assert "9-3" in refused.value.faults[1].message
    assert "Did you mean sex?" in refused.value.faults[2].message


@pytest.mark.parametrize("text", ["", " , "])
def test_a_list_that_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(genes=text, inputs=text, columns=text)
    assert len(refused.value.faults) == 3


def test_a_selection_is_read_again_as_it_was_kept() -> None:
    selection = asked(genes="GENE1", inputs="0-3,c", columns="counts,sex")
    assert Selection.from_json(json.loads(json.dumps(selection.to_json()))) == selection
    assert str(selection.inputs) == "0-3,c"


def test_the_json_of_a_selection_has_only_what_was_asked_for() -> None:
    selection = asked(genes="GENE1", inputs="1", columns="counts,sex")
    pieces = stream_json(selection.header(HEADER), [selection.of(part(), 20)])
    content = json.loads(b"".join(pieces))
    assert content["outputs"][0] == {"counts": [402, 403], "metadata": {"sex": "male"}}
    assert len(content["outputs"]) == 4


def test_the_arrow_stream_of_a_selection_has_only_what_was_asked_for() -> None:
    selection = asked(columns="latents,tissue_ontology_id")
    data = b"".join(stream_arrow(selection.header(HEADER), [selection.of(part(), 20)]))
    table = pa.ipc.open_stream(data).read_all()
    assert table.column_names == ["metadata", *(f"{group}_latent" for group in LATENT_GROUPS)]
    assert table.schema.field("metadata").type.names == ["tissue_ontology_id"]


def test_csv_has_a_line_a_sample_and_a_column_a_gene() -> None:
    wanted = Selection(columns=usual_columns(RequestType.BASELINE, ()))
    text = b"".join(stream_csv(HEADER, [wanted.of(part(), 20), wanted.of(part(), 20)])).decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 24
    assert lines[5][KNOWN[3].ensembl_id] == "503"
    assert lines[5][CUSTOM_ID] == 'b, the "second"'
    assert list(lines[0]) == [*INDICES, *METADATA_COLUMNS, CUSTOM_ID, *HEADER.gene_order]


def test_csv_has_latents_where_they_are_asked_for() -> None:
    selection = asked(columns="latents")
    text = b"".join(stream_csv(selection.header(HEADER), [selection.of(part(), 20)])).decode()
    assert text.splitlines()[0].endswith("perturbation_latent_0,perturbation_latent_1")
    assert text.splitlines()[1] == "0,0,0.5,0.5,0.5,0.5,0.5,0.5"


def test_predictions_in_csv_are_probabilities() -> None:
    heads = tuple(f"{name}_probabilities" for name in CLASSES)
    kind = RequestType.PREDICT_METADATA
    table = FORMS[kind].table(predictions())
    wanted = Selection(columns=usual_columns(kind, heads))
    text = b"".join(stream_csv(wanted.header(OF_PREDICTIONS), [wanted.of(table, 50)])).decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    sums = [
        sum(float(line[f"tissue_ontology_id={value}"]) for value in CLASSES["tissue_ontology_id"])
        for line in lines
    ]
    assert sums == pytest.approx([1] * 70, abs=1e-5)
    assert "ENSG00000000000" not in lines[0]


def test_a_selection_of_predictions_keeps_what_was_asked_for() -> None:
    heads = tuple(f"{name}_probabilities" for name in CLASSES)
    table = FORMS[RequestType.PREDICT_METADATA].table(predictions())
    selection = asked(columns="probabilities,counts", genes="GENE1", heads=heads)
    header = selection.header(OF_PREDICTIONS)
    content = json.loads(b"".join(stream_json(header, [selection.of(table, 50)])))
    row = content["outputs"][0]
    assert list(row) == ["classifier_probs", "decoder_sample"]
    assert set(row["classifier_probs"]) == set(CLASSES)
    assert len(row["decoder_sample"]["counts"]) == 2
    arrow = pa.ipc.open_stream(b"".join(stream_arrow(header, [selection.of(table, 50)]))).read_all()
    assert arrow.column_names == ["classifier_probs", "decoder_sample"]
