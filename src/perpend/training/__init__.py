"""Training: a cold start on worked examples, reinforcement with a verifier, export. Needs the extra `training`."""
