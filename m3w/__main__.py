"""`python -m m3w` is `m3w`."""

from m3w.cli.main import main

main()
