"""`perpend eval export`: a run as inspect-ai's log, or as lm-evaluation-harness's results."""
