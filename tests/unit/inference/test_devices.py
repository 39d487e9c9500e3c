"""Devices are chosen by name or by what is there, and threads are given back."""

from __future__ import annotations

import pytest
import torch

from shared.errors import SetupError
from worker.inference.devices import Layout, choose_device, device_name, one_thread_per_operation


def test_without_a_wish_cuda_comes_first() -> None:
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_cpu_can_be_asked_for() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["gpu", "", "mps", "cuda:x"])
def test_a_device_that_is_none_is_refused_with_the_remedy(wanted: str) -> None:
    with pytest.raises(SetupError, match="set it to cpu, cuda or cuda:N"):
        choose_device(wanted)


def test_a_cuda_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SetupError, match="CUDA devices here"):
        choose_device("cuda:99")


def test_a_cpu_is_named_with_its_instruction_set() -> None:
    assert device_name(torch.device("cpu")) == f"cpu {torch.backends.cpu.get_cpu_capability()}"


def test_as_many_blocks_run_at_once_as_torch_has_threads() -> None:
    assert Layout.of(torch.device("cpu")).threads == torch.get_num_threads()


def test_threads_are_given_back_even_after_an_error() -> None:
    before, inside = torch.get_num_threads(), 0

    def fail() -> None:
        nonlocal inside
        with one_thread_per_operation():
            inside = torch.get_num_threads()
            raise SetupError("for the test")

    with pytest.raises(SetupError):
        fail()
    assert (inside, torch.get_num_threads()) == (1, before)
