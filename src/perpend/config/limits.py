"""What keys, users and teams may use: in the file, and stored with a key."""

from decimal import Decimal
from typing import Literal

from msgspec import field
from msgspec.structs import fields

from perpend.config.section import NonNegative, Positive, Section
from perpend.types import Effort

SubjectKind = Literal["key", "user", "team"]

_MOST_USD = 1_000_000


class Allowance(Section, frozen=True, omit_defaults=True):
    """What one key, user or team may use; what isn't named isn't limited. Days and months are UTC's."""

    requests_per_minute: Positive | None = None
    """Requests in a minute, refilled steadily."""
    requests_per_day: Positive | None = None
    """Requests in a day."""
    input_tokens_per_minute: Positive | None = None
    """Prompt tokens in a minute."""
    input_tokens_per_day: Positive | None = None
    """Prompt tokens in a day."""
    thinking_tokens_per_minute: Positive | None = None
    """Thinking tokens in a minute."""
    thinking_tokens_per_day: NonNegative | None = None
    """Thinking tokens in a day; once they are used up, requests are answered without a thought."""
    answer_tokens_per_minute: Positive | None = None
    """Answer tokens in a minute."""
    answer_tokens_per_day: Positive | None = None
    """Answer tokens in a day."""
    concurrent_requests: Positive | None = None
    """Requests under way at a time."""
    usd_per_day: Decimal | None = None
    """US dollars in a day, never passed."""
    usd_per_month: Decimal | None = None
    """US dollars in a month, never passed."""
    usd_total: Decimal | None = None
    """US dollars altogether, never passed."""
    max_thinking_tokens: NonNegative | None = None
    """Thinking tokens of one request; more are lowered to it."""
    max_cost_usd: Decimal | None = None
    """US dollars of one request, where it names no lower cap."""
    models: tuple[str, ...] | None = None
    """Models that may answer, by name or glob."""
    efforts: tuple[Effort, ...] | None = None
    """Efforts that may be asked for; a request that names none gets the highest of them below the default."""
    strategies: tuple[str, ...] | None = None
    """Strategies that may be asked for."""

    def __post_init__(self) -> None:
        # msgspec checks no bounds on decimals
        for name in ("usd_per_day", "usd_per_month", "usd_total", "max_cost_usd"):
            usd: Decimal | None = getattr(self, name)
            if usd is not None and not (usd.is_finite() and 0 <= usd <= _MOST_USD):
                raise ValueError(f"{name} is a number of dollars from 0 to {_MOST_USD}")

    def over(self, other: "Allowance") -> "Allowance":
        """With `other`'s values where this one names none."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return Allowance(
            **{
                name: getattr(other, name) if value is None else value  # pyright: ignore[reportArgumentType]
                for name, value in values.items()
            }
        )


UNLIMITED = Allowance()


class LimitsConfig(Section, frozen=True):
    """Limits by who asks. `*` stands for each one without a row of its own."""

    keys: dict[str, Allowance] = field(default_factory=dict[str, Allowance])
    """By a key's name or id."""
    users: dict[str, Allowance] = field(default_factory=dict[str, Allowance])
    """By the user that a request names (`user`, `metadata.user_id`); each key, or team, has users of its own."""
    teams: dict[str, Allowance] = field(default_factory=dict[str, Allowance])
    """By a team's name: `perpend keys create NAME --team TEAM`."""
    user_header: str | None = None
    """A header that names the user, such as one that a proxy in front sets; it goes before the request's own field."""
    alert_share: float = 0.8
    """Of a day's, month's or total limit, at which its use is logged and counted, once."""
    alert_url_env: str | None = None
    """Environment variable with an address that is sent each alert as JSON (POST)."""

    def __post_init__(self) -> None:
        if not 0 < self.alert_share <= 1:
            raise ValueError("alert_share is above 0 and at most 1")
