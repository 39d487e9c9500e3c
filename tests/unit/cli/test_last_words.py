"""What is quoted from the log of a process that died."""

from __future__ import annotations

import json

from cli.machine.process import last_words


def line(**fields: str) -> str:
    return json.dumps({"process": "api", **fields})


def test_the_last_line_of_a_plain_log_is_quoted() -> None:
    assert last_words("FATAL: one\nFATAL: two\n\n") == "FATAL: two"


def test_an_error_is_quoted_even_if_a_line_without_one_follows() -> None:
    log = "\n".join([line(event="cannot_start", error="No model."), line(event="bye")])
    assert last_words(log) == "No model."


def test_of_an_exception_the_sentence_is_quoted_without_its_class() -> None:
    log = line(event="crashed", exception="Traceback:\n  File x\nshared.errors.CheckpointMissing: No model.")
    assert last_words(log) == "No model."


def test_a_number_alone_is_a_plain_line() -> None:
    assert last_words("42") == "42"


def test_an_empty_log_says_nothing() -> None:
    assert last_words("\n") == ""
