"""GeneQueue for those who use it. `genequeue.client` is the Python client; the service's rooms lie beside."""
