"""Ids that ascend with time, so that a store appends their rows."""

import random
import time


def new_id(kind: str) -> str:
    """Such as `req_019ab3f2c4d17b1e09c2a4f0`: milliseconds since 1970, then 48 random bits, as in UUID version 7."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{random.getrandbits(48):012x}"
