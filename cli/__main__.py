"""`python -m cli` is `m3w`."""

from cli.main import main

main()
