"""The engine of a run: the declarations of stages, their parts on Ray, the run's folder and its ledger."""
