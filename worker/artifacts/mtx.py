"""The files that 10x Genomics' tools write and Seurat reads: genes by samples, coordinates and counts.

One archive of matrix.mtx.gz, features.tsv.gz, barcodes.tsv.gz and metadata.tsv.gz. The matrix's header, which
counts what follows, is a gzip member of its own and is written last.
"""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson

from shared.results.forms.form import metadata_of
from worker.artifacts.coordinates import lines
from worker.artifacts.source import Source, sample_names

MEDIA_TYPE, SUFFIX = "application/zip", ".mtx.zip"
_LEVEL = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results give equal archives


def write_mtx(source: Source, path: Path) -> None:
    """Hold one part at most, and the packed files on disk beside the archive."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        place = Path(folder)
        with (
            _packed(place / "body") as body,
            _packed(place / "barcodes.tsv.gz") as barcodes,
            _packed(place / "metadata.tsv.gz") as metadata,
        ):
            samples, stored = _write_samples(source, body, barcodes, metadata)
        with _packed(place / "header") as header:
            header.write(_header(source, samples, stored))
        with _packed(place / "features.tsv.gz") as features:
            rows = zip(source.header.gene_order, source.feature_names, strict=True)
            features.write(_lines((*row, "Gene Expression") for row in rows))
        _archive(path, place)


def _write_samples(
    source: Source, body: gzip.GzipFile, barcodes: gzip.GzipFile, metadata: gzip.GzipFile
) -> tuple[int, int]:
    """Write all samples; returns how many there are, and how many counts that are not zero."""
    samples = stored = 0
    for part in source.parts():
        fields, names = metadata_of(part.column_names), sample_names(part)
        if not samples:
            metadata.write(_lines([("barcode", *fields)]))
        barcodes.write(_lines((name,) for name in names))
        metadata.write(_lines(zip(names, *(part.column(name).to_pylist() for name in fields), strict=True)))
        counts = source.counts(part)
        for of_sample in lines(counts, samples + 1):
            body.write(of_sample)
        stored += int(np.count_nonzero(counts))
        samples += part.num_rows
    return samples, stored


def _header(source: Source, samples: int, stored: int) -> bytes:
    about = orjson.dumps({"software_version": "GeneQueue", "format_version": 2})
    sizes = b"%d %d %d\n" % (source.num_genes, samples, stored)
    return b"%%MatrixMarket matrix coordinate integer general\n%metadata_json: " + about + b"\n" + sizes


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _packed(path: Path) -> gzip.GzipFile:
    return gzip.GzipFile(path, "wb", compresslevel=_LEVEL, mtime=0)


def _archive(path: Path, place: Path) -> None:
    files = {
        "matrix.mtx.gz": ("header", "body"),
        **{name: (name,) for name in ("features.tsv.gz", "barcodes.tsv.gz", "metadata.tsv.gz")},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, pieces in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            with archive.open(entry, "w", force_zip64=True) as inside:
                for piece in pieces:
                    with (place / piece).open("rb") as outside:
                        shutil.copyfileobj(outside, inside)
