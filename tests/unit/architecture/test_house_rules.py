"""The rules of the house, read off the syntax trees of every source file."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("api", "cli", "genequeue", "migrations", "shared", "worker")
TREES = {
    path.relative_to(ROOT): ast.parse(path.read_text())
    for room in (*ROOMS, "tests")
    for path in sorted((ROOT / room).rglob("*.py"))
}
SOURCES = {path: tree for path, tree in TREES.items() if path.parts[0] != "tests"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Where a transaction ends: the session doors, and Alembic's own.
COMMIT_DOORS = {Path("shared/database/migrate.py"), Path("migrations/env.py"), Path("api/dependencies.py")}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_are_sources_to_read() -> None:
    assert len(SOURCES) > 50


def test_every_file_says_what_it_knows() -> None:
    assert [str(path) for path, tree in TREES.items() if tree.body and not ast.get_docstring(tree)] == []


def test_no_file_is_longer_than_500_lines() -> None:
    assert [str(path) for path in TREES if len((ROOT / path).read_text().splitlines()) > 500] == []


def test_no_function_is_longer_than_60_lines() -> None:
    # A revision of the schema is a list of statements, not a function that somebody reads.
    trees = [(path, tree) for path, tree in TREES.items() if path.parent != Path("migrations/versions")]
    long = [
        f"{path}:{function.name}"
        for path, tree in trees
        for function in functions(tree)
        if lines(function) > 60
    ]
    assert long == []


def test_no_function_takes_more_than_six_parameters() -> None:
    def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        names = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        return len([argument for argument in names if argument.arg not in {"self", "cls"}])

    # A FastAPI route and a typer command name one parameter per thing that a user sends.
    free = {Path("api/routes"), Path("cli")}
    wide = [
        f"{path}:{function.name}"
        for path, tree in SOURCES.items()
        if not any(path.is_relative_to(room) for room in free)
        for function in functions(tree)
        if parameters(function) > 6
    ]
    assert wide == []


def test_nothing_is_imported_inside_a_function() -> None:
    inner = [
        f"{path}:{function.name}"
        for path, tree in TREES.items()
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inner == []


def test_no_room_is_called_utils() -> None:
    stray = {"utils", "helpers", "common", "misc", "util", "helper"}
    assert [str(path) for path in TREES if stray & {*path.parts, path.stem}] == []


def test_only_the_session_doors_commit() -> None:
    committing = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    }
    assert committing <= COMMIT_DOORS


def test_no_except_catches_everything_without_a_name() -> None:
    bare = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_nothing_is_read_from_the_environment_at_import() -> None:
    # Alembic's script is run, not imported.
    def outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
        waiting: list[ast.AST] = list(tree.body)
        while waiting:
            node = waiting.pop()
            if not isinstance(node, FUNCTIONS):
                yield node
                waiting.extend(ast.iter_child_nodes(node))

    reading = [
        str(path)
        for path, tree in SOURCES.items()
        if path != Path("migrations/env.py")
        for node in outside_functions(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert reading == []


@pytest.mark.parametrize("name", ["README.md", "AGENTS.md", "CHANGELOG.md", "LICENSE", "constraints.txt"])
def test_the_top_level_holds_what_a_newcomer_looks_for(name: str) -> None:
    assert (ROOT / name).stat().st_size > 100


def test_the_import_contracts_name_every_room() -> None:
    contracts = (ROOT / ".importlinter").read_text()
    assert all(f"\n    {room}" in contracts or f"| {room}" in contracts for room in ROOMS)


def test_git_tracks_no_build_output() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    stray = [name for name in tracked.split() if name.endswith((".pyc", ".log")) or ".egg-info/" in name]
    assert stray == []
