"""GeneQueue for its users: `genequeue.client`."""
