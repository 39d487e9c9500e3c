"""A user's files as one table: aligned on the union of their genes, read a few samples at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from anndata.io import write_elem
from scipy import sparse

from tests.support.lab import Lab, checked, ensembl
from worker.training.lab.table import LabData

NOTHING = 0  # values in memory: every read goes to the files


def data_of(*paths: Path, most_values: int = NOTHING) -> LabData:
    found = checked(*paths)
    return LabData(found, np.zeros(len(found.labels), bool), most_values)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_rows_come_in_the_order_asked_for_with_repeats(as_sparse: bool, tmp_path: Path) -> None:
    lab = Lab.make(samples=12, genes=30)
    data = data_of(lab.write(tmp_path / "my.h5ad", as_sparse=as_sparse))
    rows = np.array([7, 2, 3, 3, 11])
    expected = np.log1p(lab.counts[rows] / lab.counts[rows].sum(axis=1, keepdims=True) * 1e6)
    read = data.read(rows)
    np.testing.assert_allclose(read.log1p_cpm, expected, rtol=1e-5)
    assert read.measured.all()


def test_files_are_aligned_on_the_union_of_their_genes(tmp_path: Path) -> None:
    first, second = Lab.make(samples=6, genes=20), Lab.make(samples=4, genes=20, seed=5)
    second.var_names = [f"{ensembl(number)}.2" for number in range(29, 9, -1)]
    data = data_of(first.write(tmp_path / "a.h5ad"), second.write(tmp_path / "b.h5ad", as_sparse=True))
    assert list(data.genes.index) == [ensembl(number) for number in range(30)]
    cpm, measured = data.read_cpm(np.array([8, 0]))
    np.testing.assert_array_equal(measured, [[False] * 10 + [True] * 20, [True] * 20 + [False] * 10])
    np.testing.assert_allclose(
        cpm[0, 10:], (second.counts[2] / second.counts[2].sum() * 1e6)[::-1], rtol=1e-5
    )
    np.testing.assert_allclose(cpm[1, :20], first.counts[0] / first.counts[0].sum() * 1e6, rtol=1e-5)


def test_what_the_mask_leaves_out_is_neither_measured_nor_counted(tmp_path: Path) -> None:
    lab = Lab.make(samples=6, genes=20)
    mask = np.ones(lab.counts.shape, np.int8)
    mask[2, 3] = 0
    data = data_of(lab.write(tmp_path / "my.h5ad", layers={"mask": mask}))
    assert data.depth[2] == lab.counts[2].sum() - lab.counts[2, 3]
    cpm, measured = data.read_cpm(np.array([2]))
    assert not measured[0, 3]
    assert cpm[0, 3] == 0
    assert cpm.sum() == pytest.approx(1e6, rel=1e-5)


def test_samples_with_the_same_name_in_two_files_are_told_apart(tmp_path: Path) -> None:
    paths = [Lab.make(samples=6, genes=20).write(tmp_path / f"{name}.h5ad") for name in "ab"]
    assert data_of(*paths).labels.index.is_unique


def test_in_memory_there_is_a_fair_part_of_all_conditions(tmp_path: Path) -> None:
    lab = Lab.make(samples=100, genes=20)
    lab.obs["sample_type"] = ["organoid"] * 2 + ["primary tissue"] * 98
    data = data_of(lab.write(tmp_path / "my.h5ad"), most_values=20 * 20)
    part = data.in_memory()
    assert len(part.labels) == 20
    assert (part.labels["sample_type"] == "organoid").sum() == 2


def test_data_in_memory_read_as_those_in_files(tmp_path: Path) -> None:
    path = Lab.make(samples=10, genes=20).write(tmp_path / "my.h5ad")
    rows = np.array([4, 1, 9])
    for memory, file in zip(
        data_of(path, most_values=10**6).read(rows), data_of(path).read(rows), strict=True
    ):
        np.testing.assert_array_equal(memory, file)


PEAK = """
import re, sys
from pathlib import Path
import numpy as np
from tests.support.lab import checked
from worker.training.lab.table import LabData
found = checked(Path(sys.argv[1]))
data = LabData(found, np.zeros(len(found.labels), bool), 1_000_000)
data.in_memory()
for _ in range(20):
    data.read(np.random.default_rng(0).integers(len(found.labels), size=48))
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def big_file(path: Path, rows: int, genes: int = 2_000, per_row: int = 60) -> Path:
    """Sparse counts written straight into the file, with as many samples as asked for."""
    random = np.random.default_rng(0)
    columns = np.tile(np.sort(random.choice(genes, per_row, replace=False)), rows).astype(np.int32)
    values = random.integers(1, 9, rows * per_row).astype(np.float32)
    counts = sparse.csr_matrix((values, columns, np.arange(rows + 1) * per_row), shape=(rows, genes))
    small = Lab.make(samples=4, genes=genes)
    small.write(path)
    labels = small.obs.iloc[np.arange(rows) % 4].reset_index(drop=True)
    labels.index = labels.index.astype(str).astype(object)
    with h5py.File(path, "a") as file:
        del file["X"], file["obs"]
        write_elem(file, "X", counts)
        write_elem(file, "obs", labels.astype("object"))
    return path


def test_memory_does_not_grow_with_the_samples(tmp_path: Path) -> None:
    def peak(rows: int) -> float:
        path = str(big_file(tmp_path / f"{rows}.h5ad", rows))
        command = ["nice", sys.executable, "-c", PEAK, path]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    # More than is kept in memory, both. 45,000 samples more are 22 MB of sparse counts, 360 MB of dense ones.
    assert peak(65_000) - peak(20_000) < 60
