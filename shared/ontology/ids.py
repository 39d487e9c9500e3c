"""How the id of each ontology is written, and the number behind it. Knows no terms."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdForm:
    """The written form of one ontology's ids: what stands before the local part, and how that is spelled.

    `read` is what may stand before it on the way in; `prefix` is what is written. The local part is a number
    in `base`, at least `width` digits long.
    """

    ontology: str
    title: str
    prefix: str
    read: str
    digits: str
    width: int
    example: str
    base: int = 10

    def matches(self, value: str) -> re.Match[str] | None:
        """The match of a whole id, its one group the local part."""
        return re.fullmatch(f"{self.read}({self.digits})", value)

    def write(self, number: int) -> str:
        """The id of a number."""
        local = str(number) if self.base == 10 else _base36(number)
        return self.prefix + local.rjust(self.width, "0")


_FORMS = (
    IdForm("UBERON", "UBERON", "UBERON:", "UBERON:", "[0-9]{7}|[1-9][0-9]{7}", 7, "UBERON:0002107"),
    IdForm("CL", "the Cell Ontology", "CL:", "CL:", "[0-9]{7}", 7, "CL:0000236"),
    IdForm("MONDO", "MONDO", "MONDO:", "MONDO:", "[0-9]{7}", 7, "MONDO:0005061"),
    IdForm("CVCL", "Cellosaurus", "CVCL_", "CVCL_", "[0-9A-Z]{4}", 4, "CVCL_0023", base=36),
    IdForm("CHEBI", "ChEBI", "CHEBI:", "CHEBI:", "[1-9][0-9]{0,6}", 1, "CHEBI:41879"),
    IdForm("CHEMBL", "ChEMBL", "CHEMBL", "CHEMBL", "[1-9][0-9]{0,8}", 1, "CHEMBL25"),
    IdForm("ENSG", "Ensembl's human genes", "ENSG", "ENSG", "[0-9]{11}", 11, "ENSG00000111537"),
    # On the wire a taxon is a bare number.
    IdForm("NCBITaxon", "NCBI Taxonomy", "", "(?:NCBITaxon:)?", "[1-9][0-9]{0,8}", 1, "9606"),
)
_LOOSE = re.compile(r"([A-Za-z]*)[\s:_-]*([0-9A-Za-z]*[0-9][0-9A-Za-z]*)(?:\.[0-9]+)?", re.ASCII)
LONGEST = 40  # characters; nothing longer is the slip of an id
FORMS: dict[str, IdForm] = {form.ontology: form for form in _FORMS}


def parse_id(value: str) -> tuple[IdForm, int] | None:
    """The ontology and number of an id in its exact spelling; None where it is not one."""
    for form in _FORMS:
        if found := form.matches(value):
            return form, int(found[1], form.base)
    return None


def read_loosely(value: str) -> tuple[IdForm, str] | None:
    """The ontology and local part that a loose spelling stands for: `uberon_2107`, `ENSG00000141510.18`.

    The local part is filled up with zeros where it was written without any; it need not be a valid one.
    """
    found = _LOOSE.fullmatch(value.strip()) if len(value) <= LONGEST else None
    if found is None:
        return None
    for form in _FORMS:
        names = {form.prefix.strip(":_").casefold(), form.ontology.casefold()}
        local = found[2].upper()
        if found[1].casefold() in names and (form.base == 36 or local.isdigit()):
            return form, local if local.startswith("0") else local.rjust(form.width, "0")
    return None


def _base36(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    local = ""
    while number:
        number, digit = divmod(number, 36)
        local = digits[digit] + local
    return local
