"""Limits of keys, users and teams: what they may request, how often, and at what cost."""
