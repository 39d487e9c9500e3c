"""A network on disk: what comes back, what is refused, and that a directory is never half written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from shared.catalog import Gene, open_model
from shared.errors import CheckpointCorrupt
from tests.support.networks import LIVER, small_network, small_sheet
from worker.inference.checkpoint import load_network, save_checkpoint
from worker.inference.network import ExpressionNetwork

GENES = [Gene(f"ENSG{number:011d}", f"G{number}", "protein_coding", 1000 + number) for number in range(20)]
CPU = torch.device("cpu")


def write(directory: Path, network: ExpressionNetwork) -> Path:
    save_checkpoint(directory, network, GENES, small_sheet(), {"figures": []}, "# A card\n")
    return directory


def test_a_saved_network_comes_back_to_the_precision_of_half(tmp_path: Path) -> None:
    network = small_network()
    model = open_model(write(tmp_path / "gem-1-bulk", network))
    loaded = load_network(model, CPU)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name
    assert model.gene_order == tuple(gene.ensembl_id for gene in GENES)
    assert model.vocabulary == network.vocabulary


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, small_network()) for name in ("first", "second"))
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {
        p.name: p.read_bytes() for p in second.iterdir()
    }


def test_a_new_checkpoint_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    directory = write(tmp_path / "gem-1-bulk", small_network(seed=0))
    before = open_model(directory).manifest.weights_digest
    write(directory, small_network(seed=1))
    assert open_model(directory).manifest.weights_digest != before
    assert [path.name for path in tmp_path.iterdir()] == ["gem-1-bulk"]


@pytest.mark.parametrize("change", ["shape", "absent", "unknown"])
def test_weights_of_another_network_are_refused_with_file_and_tensor(tmp_path: Path, change: str) -> None:
    model = open_model(write(tmp_path / "gem-1-bulk", small_network()))
    path = model.directory / "weights.safetensors"
    tensors = load_file(path)
    if change == "shape":
        tensors["output.bias"] = tensors["output.bias"][:-1].clone()
    elif change == "absent":
        del tensors["output.bias"]
    else:
        tensors["output.bias.twice"] = tensors["output.bias"].clone()
    save_file(tensors, path)
    with pytest.raises(CheckpointCorrupt, match=r"weights\.safetensors: tensor 'output\.bias"):
        load_network(model, CPU)


def test_a_file_that_is_no_safetensors_file_is_refused_by_name(tmp_path: Path) -> None:
    model = open_model(write(tmp_path / "gem-1-bulk", small_network()))
    (model.directory / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointCorrupt, match=r"weights\.safetensors is not a safetensors file"):
        load_network(model, CPU)


def test_a_loaded_network_answers_as_the_saved_one_did(tmp_path: Path) -> None:
    network = small_network().half().float()
    loaded = load_network(open_model(write(tmp_path / "gem-1-bulk", network)), CPU)
    asked = [{"tissue_ontology_id": (LIVER,), "sex": ("female",)}]
    first, second = (each.condition(each.tokens(asked)) for each in (network, loaded))
    assert torch.equal(network.decode(first.latent_mean), loaded.decode(second.latent_mean))
