"""The door to the ontologies: a term by its id, its ancestors, search over names, what was probably meant.

A table is read when its ontology is first asked for. ChEMBL has no table, and NCBI Taxonomy's lacks most
microbes: of such ids only the form can be checked, and their terms say so (`verified` is False).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from shared.errors import SetupError
from shared.ontology.ids import FORMS, IdForm, parse_id, read_loosely
from shared.ontology.nearest import nearest_ids, nearest_names
from shared.ontology.table import TABLES, TermTable, table_path

TABLED = tuple(name for name in FORMS if name != "CHEMBL")
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OntologyTerm:
    """One term. `replacements` are what an obsolete term's ontology names in its place.

    `parents` include part_of in UBERON and the Cell Ontology; `descendants` counts the terms below.
    """

    id: str
    label: str
    ontology: str
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    replacements: tuple[str, ...] = ()
    obsolete: bool = False
    descendants: int = 0
    verified: bool = True


@dataclass(frozen=True, eq=False)
class Ontologies:
    """All ontologies of one folder; safe to share between threads."""

    folder: Path
    _tables: dict[str, TermTable] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, folder: Path = TABLES) -> Ontologies:
        """The ontologies in a folder; nothing is read yet. Raises SetupError, naming a missing table."""
        for name in TABLED:
            path = table_path(name, folder)
            if not path.is_file():
                raise SetupError(f"The ontology table {path} is missing; install GeneQueue again.")
        return cls(folder)

    def load(self, ontologies: Iterable[str] = TABLED) -> None:
        """Read these tables now, so that no query waits for them."""
        for name in _tabled(ontologies):
            self._table(name)

    def get(self, term_id: str) -> OntologyTerm | None:
        """The term of an id in its exact spelling, obsolete ones included; None where there is no such term.

        `NCBITaxon:9606` is read as `9606`, which is how that term's own id is written.
        """
        found = parse_id(term_id)
        return None if found is None else self._term(*found)

    def label(self, term_id: str) -> str | None:
        """The name of a term; None where it has none or does not exist."""
        term = self.get(term_id)
        return (term.label or None) if term else None

    def ancestors(self, term_id: str) -> Mapping[str, int]:
        """Every ancestor of a term and the fewest steps up to it, nearest first."""
        found = parse_id(term_id)
        if found is None or found[0].ontology not in TABLED:
            return NOTHING
        form, number = found
        steps = self._table(form.ontology).ancestors(number)
        return MappingProxyType({form.write(ancestor): distance for ancestor, distance in steps.items()})

    def search(
        self, text: str, ontologies: Iterable[str], limit: int = 20, among: Collection[str] | None = None
    ) -> tuple[OntologyTerm, ...]:
        """Terms with every word of the text in one of their names, best first; `among` narrows to these ids.

        The text may also be an id.
        """
        names = _tabled(ontologies)
        term = self.get(text.strip())
        if term and term.verified and term.ontology in names and (among is None or term.id in among):
            return (term,)
        narrowed = [found for known in among or () if (found := parse_id(known))]
        hits = []
        for name in names:
            only = [number for form, number in narrowed if form.ontology == name]
            rows = self._table(name).search(text, limit, None if among is None else only)
            hits += [(hit.rank, name, hit.row) for hit in rows]
        return tuple(self._at(name, row) for _, name, row in sorted(hits)[:limit])

    def suggest(self, value: str, ontologies: Iterable[str], limit: int = 3) -> tuple[OntologyTerm, ...]:
        """The valid terms of these ontologies that are nearest to a value which is not one of them.

        What a loose spelling means, or what replaces an obsolete id; else ids a slip or two away; else names.
        """
        wanted = tuple(ontologies)
        if loosely := read_loosely(value):
            candidates = self._near_id(*loosely) if loosely[0].ontology in wanted else ()
        else:
            candidates = self._near_name(value, _tabled(wanted), limit)
        valid = {term.id: term for term in candidates if not term.obsolete and term.verified}
        return tuple(islice(valid.values(), limit))

    def _near_id(self, form: IdForm, local: str) -> Iterable[OntologyTerm]:
        meant = self.get(form.prefix + local)
        if meant and not meant.obsolete:
            return [meant]
        if meant and meant.replacements:
            return [known for known in map(self.get, meant.replacements) if known]
        if form.ontology not in TABLED:
            return []
        return (self._at(form.ontology, row) for row in nearest_ids(local, self._table(form.ontology)))

    def _near_name(self, value: str, names: tuple[str, ...], limit: int) -> Iterable[OntologyTerm]:
        if hits := self.search(value, names, limit):
            return hits
        near = [
            (unlike, name, row) for name in names for unlike, row in nearest_names(value, self._table(name))
        ]
        return (self._at(name, row) for _, name, row in sorted(near))

    def _term(self, form: IdForm, number: int) -> OntologyTerm | None:
        if form.ontology == "CHEMBL":
            return OntologyTerm(form.write(number), "", form.ontology, verified=False)
        table = self._table(form.ontology)
        row = table.row(number)
        if row is not None:
            return self._at(form.ontology, row)
        if number <= table.highest:
            return OntologyTerm(form.write(number), "", form.ontology, verified=False)
        return None

    def _at(self, ontology: str, row: int) -> OntologyTerm:
        table = self._table(ontology)
        write, cell = table.form.write, table.cells(row)
        return OntologyTerm(
            id=write(int(table.numbers[row])),
            label=cell["label"],
            ontology=ontology,
            synonyms=tuple(cell["synonyms"]),
            parents=tuple(map(write, cell["parents"])),
            replacements=tuple(map(write, cell["replacements"])),
            obsolete=cell["obsolete"],
            descendants=cell["descendants"],
        )

    def _table(self, ontology: str) -> TermTable:
        if ontology not in self._tables:
            with self._lock:
                if ontology not in self._tables:
                    self._tables[ontology] = TermTable.read(ontology, self.folder)
        return self._tables[ontology]


def _tabled(ontologies: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in ontologies if name in TABLED)
