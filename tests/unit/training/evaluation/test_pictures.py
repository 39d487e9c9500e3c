"""Pictures are drawn, small, and show something; what they say in their titles is what the data hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from worker.training.evaluation.plots.gallery import Plot, draw_plots
from worker.training.evaluation.plots.markers import draw_markers
from worker.training.evaluation.plots.profiles import Agreement, density
from worker.training.evaluation.plots.projection import Cloud, draw_cloud
from worker.training.evaluation.plots.recognition import recognition_plot
from worker.training.evaluation.plots.responses import Response, draw_response
from worker.training.evaluation.plots.spread import Trend, draw_trends
from worker.training.evaluation.plots.style import look, page, short, write
from worker.training.evaluation.recognised import Recognised

MOST_BYTES = 150_000


def one_panel() -> Figure:
    random = np.random.default_rng(0)
    figure, (axes,) = page(1)
    density(axes, random.normal(size=(4, 50)), random.normal(size=(4, 50)))
    return figure


def several() -> list[Plot]:
    """A picture of every kind, of made-up numbers."""
    random = np.random.default_rng(0)

    def responses() -> Figure:
        figure, (axes,) = page(1)
        symbols = tuple(f"G{number}" for number in range(60))
        draw_response(axes, Response("a drug", symbols, *random.normal(size=(3, 60))), ("G3", "nowhere"))
        return figure

    def spread() -> Figure:
        figure, (axes,) = page(1)
        counts = random.poisson(np.tile(np.logspace(0, 4, 400), (6, 1))).astype(np.float32)
        draw_trends(axes, Trend.of(counts), Trend.of(counts[::-1]))
        return figure

    def samples() -> Figure:
        figure, (axes,) = page(1)
        values = random.normal(size=(9, 30)).astype(np.float32)
        draw_cloud(axes, Cloud(values, values + 1, ["a"] * 8 + ["b"], ["a"] * 8 + ["b"]).projected())
        return figure

    def markers() -> Figure:
        figure, (axes,) = page(1)
        draw_markers(
            axes, np.eye(2, dtype=np.float32), ["liver", "lung"], {"ALB": "x", "SFTPC": "y"}, ["x", "y"]
        )
        return figure

    draws = {
        "profiles": one_panel,
        "responses": responses,
        "spread": spread,
        "samples": samples,
        "markers": markers,
    }
    return [Plot(name, f"A picture of {name}.", draw) for name, draw in draws.items()]


def test_every_picture_is_written_small_and_not_blank(tmp_path: Path) -> None:
    drawn = draw_plots(several(), tmp_path / "plots")
    assert [each.file for each in drawn] == [f"{plot.name}.png" for plot in several()]
    for each in drawn:
        path = tmp_path / "plots" / each.file
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"), float)
        assert pixels.std() > 5, each.file
        assert (pixels < 250).mean() > 0.01, each.file
        assert path.stat().st_size < MOST_BYTES, each.file


def test_a_picture_is_drawn_again_over_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"an old picture")
    with look():
        write(one_panel(), path)
    with Image.open(path) as image:
        assert image.size[0] > 100


def test_the_agreement_of_equal_profiles_is_one_and_of_their_mean_is_none() -> None:
    observed = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    same = Agreement("x", observed, observed)
    assert (same.r, same.lfc_r) == (pytest.approx(1), pytest.approx(1))
    flat = Agreement("x", np.repeat(observed.mean(axis=0, keepdims=True), 3, axis=0), observed)
    assert flat.lfc_r == 0.0


def test_a_generated_sample_is_among_its_own_where_it_lies_nearest_to_one_of_them() -> None:
    real = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]], np.float32)
    made = np.array([[0.0, 0.2], [8.5, 8.5], [0.1, 0.1], [9.0, 9.0]], np.float32)
    groups = ["a", "a", "b", "b"]
    assert Cloud(real, made, groups, groups).among_their_own() == 0.5
    assert Cloud(real, made, groups, groups).projected().among_their_own() == 0.5


def test_poisson_counts_have_the_variance_of_poisson_in_every_bin() -> None:
    levels = np.tile(np.logspace(0.5, 3, 3000), (200, 1))
    counts = np.random.default_rng(0).poisson(levels).astype(np.float32)
    trend = Trend.of(counts)
    edges = np.logspace(0.6, 2.9, 8)
    middle = trend.quartiles(edges)[1]
    assert np.allclose(middle / np.sqrt(edges[:-1] * edges[1:]), 1, atol=0.25)
    assert trend.variation < 0.03


def recognised() -> Recognised:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]], np.float32)
    return Recognised(
        "tissue_ontology_id", ("liver", "lung", "lung"), ("liver", "lung", "heart"), probabilities
    )


def test_what_is_recognised_is_counted_beside_the_commonest_guess() -> None:
    found = recognised()
    assert found.guesses == ("liver", "liver", "lung")
    assert (found.right, found.commonest) == (2, pytest.approx(2 / 3))


def test_the_picture_of_recognition_names_its_figure_and_frames_the_truth() -> None:
    with look():
        figure = recognition_plot(recognised(), {"liver": "liver"}, "of a few,")
    assert figure._suptitle is not None
    assert "2 of 3 of a few, are recognised" in figure._suptitle.get_text()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["liver", "lung"]
    assert len(figure.axes[0].patches) == 2


def test_long_names_are_cut() -> None:
    assert short("liver") == "liver"
    assert short("x" * 40) == "x" * 25 + "..."
