"""The card says what a model is, whose data it stands on, and every figure with its verdict."""

from __future__ import annotations

from pathlib import Path

from tests.support.networks import small_network, small_sheet
from worker.training.card import write_card, write_report
from worker.training.evaluation.figures import Figure
from worker.training.evaluation.plots.gallery import Drawn
from worker.training.evaluation.report import metrics_of
from worker.training.fetch import pinned_sources

FIGURES = [
    Figure("Profiles", "r, tissues, by the tissue alone", 0.9991, baseline=0.885),
    Figure("Covariance", "agreement of gene-gene correlations, mean |r|", 0.3, ceiling=0.75),
]


def card(*drawn: Drawn) -> str:
    return write_card(small_sheet(), small_network(), metrics_of("gem-1-bulk", 1, FIGURES), drawn)


def test_every_figure_stands_in_the_card_with_its_verdict() -> None:
    text = card()
    assert "| r, tissues, by the tissue alone | 0.9991 | 0.885 |  | ≥ 0.999: reached |" in text
    assert r"mean \|r\| | 0.3 |  | 0.75 | ≥ 0.55: **missed** |" in text
    assert "1 of 2 goals reached, 2 figures." in text


def test_the_atlas_is_named_with_its_licence_and_every_source_with_its_own() -> None:
    text = card()
    assert "CC BY-SA 4.0" in text
    assert "Human Protein Atlas (proteinatlas.org" in text
    for source in pinned_sources().values():
        assert source["licence"] in text
        assert source["citation"] in text


def test_terms_are_counted_from_the_vocabulary() -> None:
    assert "- 2 tissues, 0 cell types and 0 diseases" in card()


def test_a_card_shows_the_pictures_that_were_drawn_and_none_that_were_not() -> None:
    assert "![Changes.](plots/perturbations.png)" in card(Drawn("perturbations.png", "Changes."))
    assert "plots/" not in card()


def test_a_report_names_the_files_it_judges_by() -> None:
    metrics = metrics_of("my-lab", 2, FIGURES[:1])
    text = write_report(
        small_sheet("my-lab"), [Path("/somewhere/mine.h5ad")], metrics, [Drawn("a.png", "A.")]
    )
    assert "judged on mine.h5ad" in text
    assert "/somewhere" not in text
    assert "![A.](plots/a.png)" in text
