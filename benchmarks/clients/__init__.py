"""Clients as people have them, against `perpend serve` on a real small model."""
