"""Every speed claim, as a command: see README.md."""
