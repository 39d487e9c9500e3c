"""What a storm is drawn from: plans, questions and acts are made of their seed alone."""

from __future__ import annotations

from tests.system.chaos.acts import all_acts, pack
from tests.system.chaos.adversary import plan
from tests.system.chaos.faults import FAULTS
from tests.system.chaos.questions import Sizes, draw


def test_a_plan_is_made_of_its_seed_alone() -> None:
    assert plan(3, 100, 2) == plan(3, 100, 2)
    assert plan(3, 100, 2) != plan(4, 100, 2)


def test_a_long_plan_deals_every_card_before_it_deals_one_again() -> None:
    cards = sum(fault.cards for fault in FAULTS.values())
    first = [strike.fault for strike in plan(1, 10_000, 2)][:cards]
    assert {name: first.count(name) for name in FAULTS} == {name: FAULTS[name].cards for name in FAULTS}


def test_questions_are_drawn_from_their_seed_alone_and_share_no_name() -> None:
    pool = draw(5, Sizes())
    assert pool == draw(5, Sizes())
    names = [question.name for kind in pool.values() for question in kind]
    assert len(set(names)) == len(names)
    for question in (question for kind in pool.values() for question in kind):
        assert sum(item.get("num_samples", 1) for item in question.body["inputs"]) == question.samples


def test_all_six_ids_are_asked() -> None:
    pool = draw(5, Sizes())
    assert len({question.model_id for question in pool["small"]}) == 6
    assert len({question.model_id for question in pool["middling"]}) == 6


def test_every_module_of_the_acts_is_an_act_and_is_played() -> None:
    acts = all_acts()
    assert {"asks_and_polls", "sends_bulk"} <= set(acts)
    assert all(act.WEIGHT > 0 and callable(act.play) for act in acts.values())
    assert set(pack(1, acts)) == set(acts)
