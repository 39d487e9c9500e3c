"""What a caller may write for genes and inputs, and what the server is sent."""

from __future__ import annotations

import numpy as np
import pytest

from genequeue.client.results import ALL, Chosen, Selection
from shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("genes", "sent"),
    [
        ("ALB", "ALB"),
        ("ALB, MYH7", "ALB,MYH7"),
        (["ALB", "MYH7"], "ALB,MYH7"),
        (np.array(["ALB", "MYH7"]), "ALB,MYH7"),
        ((gene for gene in ("ALB", "MYH7")), "ALB,MYH7"),
    ],
)
def test_genes_are_one_name_or_several_of_any_kind_of_list(genes: Chosen, sent: str) -> None:
    assert Selection.of(genes, None).parameters == {"genes": sent}


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [(0, "0"), ([0, 2], "0,2"), ("0-9,42", "0-9,42"), (range(3), "0,1,2"), ("row-7", "row-7")],
)
def test_inputs_are_positions_ranges_and_custom_ids(inputs: Chosen, sent: str) -> None:
    assert Selection.of(None, inputs).parameters == {"inputs": sent}


def test_nothing_chosen_is_everything() -> None:
    assert Selection.of(None, None) == ALL
    assert ALL.parameters == {}


@pytest.mark.parametrize("empty", [[], "", np.array([]), [""]])
def test_an_empty_choice_is_refused_and_not_taken_for_everything(empty: Chosen) -> None:
    with pytest.raises(InvalidInput, match=r"genes chooses nothing.*leave it out for all genes"):
        Selection.of(empty, None)
    with pytest.raises(InvalidInput, match="inputs"):
        Selection.of(None, empty)
