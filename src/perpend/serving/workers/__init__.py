"""Several processes that serve one address: who keeps them alive, and what they ask each other."""
