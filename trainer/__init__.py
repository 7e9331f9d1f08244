"""The trainer: shards to a trained model, on one or many processes."""

import os

# Before torch is loaded: its OpenMP threads would spin while they wait for each other, and on a machine whose cores are
# busy they would keep the thread that they wait for from running: 940 ms against 67 for a batch through a small
# encoder.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
