"""Tasks: one YAML file for each benchmark, one class for each published file format."""
