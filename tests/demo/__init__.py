"""`make demo`: a running machine, the real public client, real questions, tables, files and a picture."""
