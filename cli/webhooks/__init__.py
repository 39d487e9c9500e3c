"""`genequeue webhooks`: for those who write receivers of webhooks."""
