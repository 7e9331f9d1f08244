"""Checkpoints of a training, its output folder, and the exported model."""
