"""Ports: taken ones are refused with the remedy, a folder's port is remembered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.machine.ports import LOCALHOST, free_ports, is_free, listen, remembered_port
from shared.errors import SetupError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOCALHOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_refused_with_the_remedy(taken: int) -> None:
    with pytest.raises(SetupError, match=rf"Port {taken} on 127.0.0.1 is taken. .* --port"):
        listen(LOCALHOST, taken)


def test_an_address_of_another_machine_is_refused_with_the_remedy() -> None:
    with pytest.raises(SetupError, match=r"no address 192\.0\.2\.1.*--host"):
        listen("192.0.2.1", 8000)


def test_a_connection_is_not_refused_while_nobody_takes_it_yet() -> None:
    with listen(LOCALHOST, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((LOCALHOST, port), timeout=60):
            assert not is_free(LOCALHOST, port)


def test_a_port_is_remembered(tmp_path: Path) -> None:
    first = remembered_port(tmp_path / "port")
    assert is_free(LOCALHOST, first)
    assert remembered_port(tmp_path / "port") == first


def test_a_remembered_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path, taken: int) -> None:
    (tmp_path / "port").write_text(f"{taken}\n")
    other = remembered_port(tmp_path / "port")
    assert other != taken
    assert remembered_port(tmp_path / "port") == other


def test_two_folders_look_in_different_places(tmp_path: Path) -> None:
    ports = set()
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        ports.add(remembered_port(tmp_path / str(number) / "port"))
    assert len(ports) > 1, "two of five may meet by chance"


def test_many_free_ports_are_different_ones() -> None:
    assert len(set(free_ports(100))) == 100
