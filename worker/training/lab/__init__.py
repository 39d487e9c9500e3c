"""A laboratory's own h5ad files: read, checked, and made into a model. No module but `train` needs torch."""
