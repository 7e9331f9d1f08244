"""Builds and trainings as YAML; a package only so that they are installed with the code."""
