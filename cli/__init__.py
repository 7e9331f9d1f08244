"""The command `m3w`: parses words, calls the rest, prints."""
