"""The engine of a run: stages and their parts on Ray, the run's folder, its ledger, what is written to it."""
