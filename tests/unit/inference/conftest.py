"""Engines of tiny models: `engine` in several shapes and on every device, `small` where neither matters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from shared.catalog import Model
from tests.support.batches import GENES, MODELS
from tests.support.models import tiny_model
from worker.inference.engine import Engine

DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="package", params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    genes, sizes = MODELS[request.param]
    return tiny_model(tmp_path_factory.mktemp("models"), genes, sizes=sizes)


@pytest.fixture(scope="package", params=DEVICES)
def engine(request: pytest.FixtureRequest, model: Model) -> Iterator[Engine]:
    engine = Engine.open(model, torch.device(request.param))
    yield engine
    engine.close()


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine.open(tiny_model(tmp_path_factory.mktemp("models"), GENES), torch.device("cpu"))
    yield engine
    engine.close()


@pytest.fixture
def threads() -> Iterator[None]:
    """Leave torch with as many threads as it had."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
