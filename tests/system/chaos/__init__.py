"""A seeded storm of queries while a seeded adversary kills, stops and cuts; then the books are checked.

Read in this order: `storm` (one whole run), `stage` (the processes), `acts` (what customers do), `faults`
(what is done to the processes), `invariants` (what must hold afterwards), `report`.
"""
