"""Shards to a trained model: data in their order, the update, checkpoints, what is said of it."""

import os

# Before torch is loaded: its OpenMP threads otherwise spin while they wait for each other, and on a machine with other
# work on its cores they keep off the thread they wait for: 940 ms against 67 for a batch through a small encoder.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
