"""Keys with an admin's rights manage keys and limits over HTTP; nobody else does."""

import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scripted import BODY, Gateway, House, Reply, gateway

from perpend.config.limits import LimitsConfig
from perpend.config.schema import Config
from perpend.observability.metrics import Metrics
from perpend.serving.admin import ADMIN_PATH, Admin
from perpend.serving.auth import Auth
from perpend.serving.limits.wiring import limiter_of
from perpend.serving.openapi import document
from perpend.storage.keys import KeyRing, create_key
from perpend.storage.store import Store


class Front(NamedTuple):
    gateway: Gateway
    secret: str

    async def ask(self, method: str, path: str, body: Any = None, secret: str | None = None) -> Reply:
        headers = {"authorization": f"Bearer {secret or self.secret}"}
        call = self.gateway.session.request(method, f"/v1/admin{path}", json=body, headers=headers)
        async with call as response:
            return Reply(response.status, response.headers.copy(), await response.read())


@pytest.fixture
async def front(tmp_path: Path) -> AsyncGenerator[Front, None]:
    with Store.open(tmp_path / "perpend.db") as store:
        secret, _ = create_key(store, "root", admin=True)
        keys = KeyRing(store, clock=itertools.count(step=10.0).__next__)  # a change is seen at once
        limiter = limiter_of(LimitsConfig(), keys, store, tmp_path, Metrics())
        async with gateway(House(), keys, limiter, store) as made:
            yield Front(made, secret)


async def test_a_key_is_made_changed_and_revoked(front: Front) -> None:
    limits = {"usd_per_month": 20, "requests_per_minute": 60}
    made = (await front.ask("POST", "/keys", {"name": "app", "team": "red", "limits": limits})).json
    assert made["limits"] == limits
    assert made["team"] == "red"
    used = {"authorization": f"Bearer {made['secret']}"}
    assert (await front.gateway.post(BODY, headers=used)).status == 200
    path = f"/keys/{made['id']}"
    changed = (await front.ask("POST", path, {"team": None, "limits": {"usd_total": "0.5"}})).json
    assert (changed["team"], changed["limits"]) == (None, {"usd_total": 0.5})
    assert "secret" not in changed
    assert (await front.ask("GET", path)).json == changed
    assert [key["name"] for key in (await front.ask("GET", "/keys")).json["data"]] == ["root", "app"]
    assert (await front.ask("DELETE", path)).json["revoked_at"] is not None
    assert (await front.gateway.post(BODY, headers=used)).status == 401


async def test_limits_of_teams_and_users_are_set_and_taken_away(front: Front) -> None:
    put = await front.ask("PUT", "/limits/team/red", {"usd_per_day": 5})
    assert put.json == {"object": "limits", "kind": "team", "name": "red", "limits": {"usd_per_day": 5}}
    await front.ask("PUT", "/limits/user/*", {"requests_per_minute": 10})
    listed = (await front.ask("GET", "/limits")).json["data"]
    assert [(row["kind"], row["name"]) for row in listed] == [("team", "red"), ("user", "*")]
    await front.ask("DELETE", "/limits/team/red")
    assert len((await front.ask("GET", "/limits")).json["data"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/keys", {"name": "a", "limit": {}}, 400, "limit"),
        (
            "POST",
            "/keys",
            {"name": "a", "limits": {"requests_per_minute": 0}},
            400,
            "limits.requests_per_minute",
        ),
        ("POST", "/keys", {"name": "a", "limits": {"usd_per_day": -1}}, 400, "limits"),
        ("POST", "/keys", {"name": "root"}, 400, "name"),
        ("GET", "/keys/key_none", None, 404, "id"),
        ("POST", "/keys/key_none", {"admin": True}, 404, "key"),
        ("PUT", "/limits/key/app", {}, 404, "kind"),
    ],
)
async def test_what_is_wrong_is_named(
    front: Front, method: str, path: str, body: Any, status: int, field: str
) -> None:
    reply = await front.ask(method, path, body)
    assert (reply.status, reply.error["param"]) == (status, field)


async def test_other_keys_may_not(front: Front) -> None:
    made = (await front.ask("POST", "/keys", {"name": "app"})).json
    for method, path in (
        ("GET", "/keys"),
        ("POST", "/keys"),
        ("GET", "/limits"),
        ("PUT", "/limits/team/red"),
    ):
        reply = await front.ask(method, path, {}, secret=made["secret"])
        assert (reply.status, reply.error["code"]) == (403, "permission_denied")
    assert (await front.ask("GET", "/keys", secret="pk-wrong")).status == 401


def test_every_route_is_documented(tmp_path: Path) -> None:
    with Store.open(tmp_path / "perpend.db") as store:
        auth = Auth(KeyRing(store), "always", "127.0.0.1")
        routes = Admin(store, Config(), auth).routes
    paths = document()["paths"]
    documented = {path: set(paths[path]) for path in paths if path.startswith(ADMIN_PATH)}
    assert documented == {path: {method.lower() for method in methods} for path, methods in routes.items()}
