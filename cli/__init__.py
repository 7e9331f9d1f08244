"""The command `m3w`: parses arguments, calls the other packages, prints."""
