"""inspect-ai and lm-evaluation-harness as peers: their environments, their tasks, their command lines."""
