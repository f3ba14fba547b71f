"""`python -m queuack`: the command line."""

from queuack.cli.main import main

main()
