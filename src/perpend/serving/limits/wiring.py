"""Builds a gateway's limiter from its config, keys and store."""

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

from perpend.config.limits import LimitsConfig
from perpend.errors import ConfigError
from perpend.serving.limits.limiter import LimitedKeys, Limiter
from perpend.serving.limits.subjects import Subject
from perpend.serving.limits.watch import LimitCounts, LimitWatch, Post
from perpend.storage.store import Store
from perpend.transport.client import HTTPClient, UpstreamAccount

if TYPE_CHECKING:
    from perpend.storage.usage import UsageRow

FOLDER = "limits"
"""The counters' folder in PERPEND_HOME."""


def limiter_of(
    config: LimitsConfig, keys: LimitedKeys, store: Store, home: Path, counts: LimitCounts
) -> Limiter:
    """Builds the limiter. Raises ConfigError where the environment variable of the alerts' URL isn't set."""

    def used(subject: Subject, since: dt.datetime | None) -> "UsageRow":
        from perpend.storage.usage import used_by  # SQLAlchemy is loaded where something is limited

        user = subject.name if subject.kind == "user" else None
        return used_by(store, since, key_id=subject.key_id, team=subject.team, user=user)

    watch = LimitWatch(config.alert_share, counts, _post(config.alert_url_env))
    return Limiter(config, keys, home / FOLDER, used, watch)


def _post(variable: str | None) -> Post | None:
    if variable is None:
        return None
    url = os.environ.get(variable)
    if not url:
        raise ConfigError(
            f"limits.alert_url_env: {variable} isn't set",
            hint=f"export {variable}=https://…",
            field="limits.alert_url_env",
        )
    client = HTTPClient()
    account = UpstreamAccount({"content-type": "application/json"}, name="the address of alerts")

    async def post(body: bytes) -> None:
        await client.post_json(url, body, account)

    return post
