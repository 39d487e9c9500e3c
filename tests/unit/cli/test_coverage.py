"""What a person reads about a query: the values that were not answered as asked, and what it will cost."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cli.amounts import size
from cli.check import show_check
from cli.coverage import MOST_ROWS, recall_coverage, show_coverage

LIVER = {"id": "UBERON:0002107", "label": "liver"}


def covered(coverage: str, **more: Any) -> dict[str, Any]:
    value = {
        "field": "tissue_ontology_id",
        "value": "UBERON:0001115",
        "label": "left lobe of liver",
        "coverage": coverage,
        "terms": [],
        "distance": 0,
        "inputs": 1,
        "path": "inputs[0].metadata.tissue_ontology_id",
    }
    return {**value, **more}


def console(width: int = 120) -> Console:
    return Console(file=io.StringIO(), width=width)


def said(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_nothing_is_said_where_all_is_exact() -> None:
    screen = console()
    show_coverage(screen, [covered("exact", terms=[LIVER])], [])
    recall_coverage(screen, [covered("exact", terms=[LIVER])])
    assert said(screen) == ""


def test_an_ancestor_is_shown_with_its_label_and_distance_and_an_exact_value_is_not() -> None:
    screen = console()
    ancestor = covered("ancestor", terms=[LIVER], distance=2, inputs=1200)
    show_coverage(screen, [ancestor, covered("exact", value="UBERON:0000948", label="heart")], [])
    assert "UBERON:0001115 left lobe of liver" in said(screen)
    assert "UBERON:0002107 liver, 2 steps up" in said(screen)
    assert "1,200" in said(screen)
    assert "heart" not in said(screen)


@pytest.mark.parametrize("coverage", ["unknown", "not informative"])
def test_what_changes_nothing_is_said_to_have_no_effect(coverage: str) -> None:
    screen = console()
    show_coverage(screen, [covered(coverage)], [])
    assert "no effect" in said(screen)


def test_ids_stay_whole_in_a_narrow_terminal() -> None:
    screen = console(width=72)
    show_coverage(screen, [covered("ancestor", terms=[LIVER], distance=2)], [])
    assert "UBERON:0001115" in said(screen)
    assert "UBERON:0002107" in said(screen)


def test_a_warning_is_said_only_if_the_table_does_not_say_it() -> None:
    screen = console()
    unknown = covered("unknown")
    show_coverage(screen, [unknown], [f"{unknown['path']}: no effect at all", "total_count: it is [ignored]"])
    assert "no effect at all" not in said(screen)
    assert "note total_count: it is [ignored]" in said(screen)


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    many = [covered("unknown", value=f"CHEBI:{number}", label=f"CHEBI:{number}") for number in range(30)]
    screen = console()
    show_coverage(screen, [*many, {"left_out": 500}], [])
    assert said(screen).count("CHEBI:") == MOST_ROWS
    assert "and 510 more" in said(screen)


def test_the_end_recalls_the_table_in_one_line() -> None:
    screen = console()
    recall_coverage(screen, [covered("unknown"), covered("ancestor"), covered("exact")])
    assert said(screen) == "note 2 values were not answered exactly as asked; see above.\n"


ANSWER = {
    "valid": True,
    "model_id": "gem-1-bulk",
    "model_version": 3,
    "inputs": 2,
    "samples": 5000,
    "total_count": 10_000_000,
    "coverage": [covered("exact", terms=[LIVER])],
    "warnings": [],
    "estimate": {
        "rows": 5000,
        "chunks": 10,
        "stored_bytes": 141_000_000,
        "json_bytes": 372_000_000,
        "samples_ahead": 1200,
        "seconds": 3.21,
        "seconds_note": "From the last 20 jobs.",
    },
}


def test_a_check_says_what_was_asked_and_what_it_will_cost() -> None:
    screen = console()
    show_check(screen, ANSWER)
    text = said(screen)
    assert "valid for gem-1-bulk, version 3: 2 inputs, 5,000 samples of 10,000,000 counts each" in text
    assert "141 MB in 10 parts; 372 MB as JSON" in text
    assert "about 3.2 s. From the last 20 jobs." in text
    assert "1,200 samples wait already" in text
    assert "knows every value of it exactly" in text


def test_a_time_that_is_not_known_says_why() -> None:
    screen = console()
    unknown = {**ANSWER["estimate"], "seconds": None, "seconds_note": "None ran yet.", "samples_ahead": 0}  # type: ignore[dict-item]
    show_check(screen, {**ANSWER, "estimate": unknown, "total_count": None})
    assert "not known. None ran yet." in said(screen)
    assert "queue" not in said(screen)
    assert "as large as their own counts" in said(screen)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (45_600, "46 kB"), (3_400_000_000, "3.4 GB")],
)
def test_sizes_read_as_people_say_them(count: int, text: str) -> None:
    assert size(count) == text
