"""Requests of every kind, right ones and broken ones, against a real gateway: `python -m benchmarks.fuzz --help`."""
