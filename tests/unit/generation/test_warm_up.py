"""A worker finds out before it claims whether its model can answer what it offers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import GenerationError
from shared.queries.requests import RequestType
from tests.support.models import SINGLE_CELL, tiny_model
from worker.generation.warm_up import warm_up
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine

CPU = torch.device("cpu")


def broken_engine(directory: Path, parameter: str, *offered: RequestType) -> Engine:
    """An engine with one weight that is no number, for a model that offers these request types."""
    model = tiny_model(directory)
    network = load_network(model, CPU)
    network.get_parameter(parameter)[0] = torch.nan
    return Engine(replace(model, manifest=replace(model.manifest, request_types=offered)), network, CPU)


@pytest.mark.parametrize("model_id", ["gem-1-bulk", SINGLE_CELL])
def test_a_sound_model_warms_up(tmp_path: Path, model_id: str) -> None:
    warm_up(Engine.open(tiny_model(tmp_path, model_id=model_id), CPU))


@pytest.mark.parametrize(
    ("parameter", "request_type"),
    [
        ("output.bias", RequestType.BASELINE),
        ("encoder.projection.weight", RequestType.REFERENCE_CONDITIONED),
        ("heads.linear.sex.weight", RequestType.PREDICT_METADATA),
    ],
)
def test_a_model_that_cannot_answer_what_it_offers_is_refused(
    tmp_path: Path, parameter: str, request_type: RequestType
) -> None:
    with pytest.raises(GenerationError):
        warm_up(broken_engine(tmp_path, parameter, request_type))


def test_a_model_need_not_answer_what_it_does_not_offer(tmp_path: Path) -> None:
    warm_up(broken_engine(tmp_path, "encoder.projection.weight", RequestType.BASELINE))
