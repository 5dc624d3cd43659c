"""What `overhead.py` is made of: an upstream, a load generator, the gateways under test."""
