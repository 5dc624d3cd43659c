"""`python -m perpend`."""

from perpend.cli.main import main

main()
