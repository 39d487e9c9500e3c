"""The forms that the rows of a large request come in, one file for each."""
