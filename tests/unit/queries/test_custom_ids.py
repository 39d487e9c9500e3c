"""Names that inputs are given: whether one was given before, among a great many."""

from __future__ import annotations

from shared.queries.custom_ids import CustomIds


def test_the_first_input_with_an_id_is_named_to_every_other() -> None:
    ids = CustomIds()
    assert [ids.claim(name, index) for index, name in enumerate("abaab")] == [None, None, 0, 0, 1]


def test_nothing_is_forgotten_while_the_table_grows() -> None:
    ids = CustomIds(slots=4)
    assert all(ids.claim(f"row {index}", index) is None for index in range(20_000))
    assert all(ids.claim(f"row {index}", 1) == index for index in range(20_000))
