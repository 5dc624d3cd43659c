"""Perpend: a gateway for reasoning models that treats thinking as a metered resource."""
