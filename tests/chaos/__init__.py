"""The ledger under fire: a seeded run in which everything is broken while thousands of devices speak."""
