"""What a rolling update of the containers stands on: the balancer knows every API; each gets time to end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.__main__ import read_options
from api.serving import Farewell

ROOT = Path(__file__).resolve().parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
APIS = {
    name: service for name, service in SERVICES.items() if "-m api " in " ".join(service.get("command", []))
}


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


def test_the_balancer_gives_requests_to_every_api_and_to_nothing_else() -> None:
    (upstreams,) = re.findall(r"reverse_proxy (.*) \{", CADDYFILE)
    assert len(APIS) >= 2
    assert set(upstreams.split()) == {f"{name}:8000" for name in APIS}


def test_only_the_balancer_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["balancer"]


@pytest.mark.parametrize("name", APIS)
def test_an_api_that_ends_gets_as_long_as_its_farewell_may_take(name: str) -> None:
    options = read_options(APIS[name]["command"][3:])
    farewell = options.notice + Farewell().linger.total_seconds() + options.grace
    assert seconds(APIS[name]["stop_grace_period"]) > farewell


@pytest.mark.parametrize("name", APIS)
def test_its_notice_is_long_enough_for_the_balancer_to_see_it(name: str) -> None:
    (every,) = re.findall(r"health_interval (\S+)", CADDYFILE)
    assert read_options(APIS[name]["command"][3:]).notice >= 2 * seconds(every)


def test_the_balancer_and_docker_ask_the_same_question() -> None:
    assert "health_uri /health/ready" in CADDYFILE
    assert all("/health/ready" in service["healthcheck"]["test"][-1] for service in APIS.values())


def test_a_worker_that_ends_gets_longer_than_a_batch() -> None:
    assert seconds(SERVICES["generation"]["stop_grace_period"]) >= 60
