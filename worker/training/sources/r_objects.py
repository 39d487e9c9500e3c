"""R data files read in pure Python: the objects of Bioconductor, unwrapped to tables. Knows no data set."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdata


def load_object(path: Path) -> Any:
    """The first object of an .rda file; classes that rdata does not know become plain namespaces."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one warning for each unknown R class, of which there are dozens
        objects = rdata.conversion.convert(rdata.parser.parse_file(path))
    return next(iter(objects.values()))


def expression_set(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes by samples, and the samples' annotation, of an ExpressionSet."""
    found = load_object(path)
    array = found.assayData["exprs"]
    rows, columns = (np.asarray(array.coords[name]).astype(str) for name in array.dims)
    return pd.DataFrame(np.asarray(array, dtype=float), index=rows, columns=columns), found.phenoData.data


def column(summarized_experiment: Any, name: str) -> list[str]:
    """One column of the sample annotation of a SummarizedExperiment."""
    return [str(value) for value in summarized_experiment.colData.listData[name]]
