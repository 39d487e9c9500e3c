"""Results as the tables that people work with."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from genequeue.client.tables import to_anndata


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three samples of two genes with one symbol."""
    obs = {"sex": ["female", "male", "male"], "custom_id": ["a", "b", "c"], "sample_index": [0, 0, 1]}
    symbols = pd.Categorical(["ALB", "ALB"], categories=pd.Index(["ALB"], dtype=object))
    data = anndata.AnnData(
        np.arange(6, dtype=np.int32).reshape(3, 2),
        obs=pd.DataFrame(obs, index=pd.Index(["0", "1", "2"], dtype=object)).astype(
            {"sex": object, "custom_id": object}
        ),
        var=pd.DataFrame({"symbol": symbols}, index=pd.Index(["ENSG1", "ENSG2"], dtype=object)),
    )
    data.obs["sex"] = pd.Categorical(data.obs["sex"], categories=pd.Index(["female", "male"], dtype=object))
    path = tmp_path / "result.h5ad"
    data.write_h5ad(path)
    return path


def test_what_was_read_can_be_written_and_read_again(file: Path, tmp_path: Path) -> None:
    """People add columns and save: texts must be of a kind that anndata has a writer for."""
    data = to_anndata(file)
    data.obs["cluster"] = pd.Categorical([0, 1, 1])
    data.write_h5ad(tmp_path / "again.h5ad")
    again = to_anndata(tmp_path / "again.h5ad")
    assert again.obs.astype(str).equals(data.obs.astype(str))
    assert again.var.astype(str).equals(data.var.astype(str))
    assert (again.X == data.X).all()
