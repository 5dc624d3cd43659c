"""Limits of keys, users and teams: what they may ask for, how often, and what it may cost."""
