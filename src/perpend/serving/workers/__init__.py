"""Several worker processes that serve one address: their supervisor, and the calls between them."""
