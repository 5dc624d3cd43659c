"""Subjects of limits: a request's key, the key's team, and the user that the request names."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from perpend.config.limits import UNLIMITED, Allowance, LimitsConfig, SubjectKind
from perpend.storage.allowances import Allowances

EACH = "*"
"""The name of the row for subjects without their own row."""


class LimitedKey(Protocol):
    """The fields of a key by which its limits are found: see `storage.rows.KeyRow`."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def team(self) -> str | None: ...

    @property
    def limits(self) -> Allowance | None: ...


class Subject(NamedTuple):
    kind: SubjectKind
    id: str
    """Names its counters: a key's id, a team's name, or a user's name within a key or team."""
    name: str
    """The name in messages and logs."""
    allowance: Allowance
    key_id: str | None = None
    """The key id of its ledger rows: of a key, or of a user whose key has no team."""
    team: str | None = None


def subjects(
    key: LimitedKey | None, user: str | None, config: LimitsConfig, stored: Allowances
) -> tuple[Subject, ...]:
    """Returns the limited subjects of a request. Each stored limit overrides the same limit of the config's row."""
    found: list[Subject] = []
    if key is None:
        found.append(Subject("key", "-", "(none)", config.keys.get(EACH, UNLIMITED)))
    else:
        row = config.keys.get(key.name) or config.keys.get(key.id) or config.keys.get(EACH, UNLIMITED)
        allowance = row if key.limits is None else key.limits.over(row)
        found.append(Subject("key", key.id, key.name, allowance, key.id))
        if key.team is not None:
            allowance = _allowance("team", key.team, config.teams, stored)
            found.append(Subject("team", key.team, key.team, allowance, team=key.team))
    if user:
        id_, team = (None, None) if key is None else (None, key.team) if key.team else (key.id, None)
        home = f"team {team}" if team else id_ or "-"
        allowance = _allowance("user", user, config.users, stored)
        found.append(Subject("user", f"{home} {user}", user, allowance, id_, team))
    return tuple(subject for subject in found if subject.allowance != UNLIMITED)


def _allowance(kind: SubjectKind, name: str, rows: Mapping[str, Allowance], stored: Allowances) -> Allowance:
    row = rows.get(name) or rows.get(EACH, UNLIMITED)
    own = stored.get((kind, name)) or stored.get((kind, EACH))
    return row if own is None else own.over(row)
