"""unit/ and integration/ mirror the rooms; system/ drives the running thing; benchmarks/; support/."""
