"""A short storm of every kind of fault, the storms that once broke something, and the tools themselves."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.system.chaos.acts import all_acts
from tests.system.chaos.adversary import plan
from tests.system.chaos.faults import FAULTS
from tests.system.chaos.questions import Sizes, draw
from tests.system.chaos.storm import Weather, storm

# The seed deals nearly every fault within its time.
SHORT = Weather(seed=208, seconds=40, gap=1.8, customers=5, sizes=Sizes(middling=(20, 80), bulk=(150, 600)))
KEPT: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("seeds.toml").read_text()).get(
    "storm", []
)


@pytest.mark.timeout(300)
def test_a_short_storm_breaks_no_promise(tmp_path: Path) -> None:
    outcome = storm(SHORT, tmp_path)
    assert list(outcome.broken) == []
    assert len({one.strike.fault for one in outcome.struck}) >= len(FAULTS) - 6
    assert len(outcome.books.ledger.accepted) > 20


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: f"seed-{kept['seed']}")
def test_a_storm_that_once_broke_a_promise_breaks_none(kept: dict[str, Any], tmp_path: Path) -> None:
    told = {name: kept[name] for name in ("seed", "seconds", "gap")}
    weather = replace(SHORT, faults=tuple(kept.get("faults", FAULTS)), **told)
    assert list(storm(weather, tmp_path).broken) == []


def test_a_plan_is_made_of_its_seed_alone() -> None:
    assert plan(3, 100, 2) == plan(3, 100, 2)
    assert plan(3, 100, 2) != plan(4, 100, 2)


def test_a_long_plan_deals_every_card_before_it_deals_one_again() -> None:
    pack = sum(fault.cards for fault in FAULTS.values())
    first = [strike.fault for strike in plan(1, 10_000, 2)][:pack]
    assert {name: first.count(name) for name in FAULTS} == {name: FAULTS[name].cards for name in FAULTS}


def test_questions_are_drawn_from_their_seed_alone_and_share_no_name() -> None:
    pool = draw(5, Sizes())
    assert pool == draw(5, Sizes())
    names = [question.name for kind in pool.values() for question in kind]
    assert len(set(names)) == len(names)
    for question in (question for kind in pool.values() for question in kind):
        assert sum(item["num_samples"] for item in question.body["inputs"]) == question.samples


def test_every_module_of_the_acts_is_an_act() -> None:
    acts = all_acts()
    assert {"asks_and_polls", "sends_bulk"} <= set(acts)
    assert all(act.WEIGHT > 0 and callable(act.play) for act in acts.values())
