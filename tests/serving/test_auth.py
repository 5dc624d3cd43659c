"""Who may come in, and what the others are told."""

from typing import Literal

import pytest
from scripted import Keys

from perpend.errors import Unauthenticated
from perpend.serving.auth import Auth, is_loopback

NONE = Keys()
ONE = Keys(secret="key_1")
Require = Literal["auto", "always", "never"]


def check(auth: Auth, **headers: str) -> str | None:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    key = auth.check({"headers": lines})
    return None if key is None else key.id


@pytest.mark.parametrize(
    ("keys", "require", "host", "needed"),
    [
        (NONE, "auto", "127.0.0.1", False),
        (NONE, "auto", "localhost", False),
        (NONE, "auto", "::1", False),
        (NONE, "auto", "0.0.0.0", True),
        (ONE, "auto", "127.0.0.1", True),
        (NONE, "always", "127.0.0.1", True),
        (ONE, "never", "0.0.0.0", False),
    ],
)
def test_when_a_key_is_needed(keys: Keys, require: Require, host: str, needed: bool) -> None:
    auth = Auth(keys, require, host)
    assert auth.needed is needed
    if needed:
        with pytest.raises(Unauthenticated, match="a key is needed"):
            check(auth)
    else:
        assert check(auth) is None


def test_each_header_carries_a_key_and_one_that_is_valid_will_do() -> None:
    auth = Auth(ONE, "auto", "127.0.0.1")
    assert check(auth, authorization="Bearer secret") == "key_1"
    assert check(auth, authorization="bearer  secret ") == "key_1"
    assert check(auth, x_api_key="secret") == "key_1"
    assert check(auth, api_key="secret") == "key_1"
    assert check(auth, authorization="Bearer stale", x_api_key="secret") == "key_1"
    assert check(auth, authorization="Bearer secret", x_api_key="stale", api_key="stale") == "key_1"
    assert check(auth, authorization="Basic dXNlcjpwdw==", x_api_key="secret") == "key_1"


def test_an_unknown_key_is_refused_where_one_is_needed_and_ignored_elsewhere() -> None:
    """SDKs always send one, be it made up."""
    with pytest.raises(Unauthenticated, match="isn't known"):
        check(Auth(ONE, "auto", "127.0.0.1"), authorization="Bearer wrong")
    assert check(Auth(NONE, "auto", "127.0.0.1"), authorization="Bearer anything") is None


def test_a_known_key_is_noted_even_where_none_is_needed() -> None:
    assert check(Auth(ONE, "never", "127.0.0.1"), authorization="Bearer secret") == "key_1"


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "null",
            "",
            "http://127.0.0.1.evil.example",
            "http://[::1",
            "http://localhost@evil.example",
        ),
        *(
            "http://evil.example@localhost",
            "chrome-extension://abc",
            "file://",
            "app://",
            "data:",
            "localhost",
            "//localhost",
        ),
        *(
            "http://localhost, https://evil.example",
            "http://localhost:x",
            "http://localhost/page",
            "ftp://localhost",
        ),
    ],
)
def test_a_foreign_page_can_t_spend_without_a_key(origin: str) -> None:
    with pytest.raises(Unauthenticated, match="another origin"):
        check(Auth(NONE, "auto", "127.0.0.1"), origin=origin)
    assert check(Auth(ONE, "auto", "127.0.0.1"), origin=origin, x_api_key="secret") == "key_1"


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "http://127.0.0.1",
        "https://[::1]:8443",
        "http://my.localhost",
        "vscode-webview://x",
    ],
)
def test_a_local_page_can(origin: str) -> None:
    assert check(Auth(NONE, "auto", "127.0.0.1"), origin=origin) is None


def test_one_foreign_origin_among_several_is_enough() -> None:
    headers = [(b"origin", b"https://evil.example"), (b"origin", b"http://localhost")]
    with pytest.raises(Unauthenticated, match="another origin"):
        Auth(NONE, "auto", "127.0.0.1").check({"headers": headers})


def test_a_page_of_another_site_that_sends_no_origin_is_foreign_too() -> None:
    auth = Auth(NONE, "auto", "127.0.0.1")
    with pytest.raises(Unauthenticated, match="another origin"):
        check(auth, sec_fetch_site="cross-site")
    for site in ("same-origin", "none"):
        assert check(auth, sec_fetch_site=site) is None
    assert check(auth, sec_fetch_site="cross-site", origin="http://localhost:3000") is None
    assert check(Auth(ONE, "auto", "127.0.0.1"), sec_fetch_site="cross-site", x_api_key="secret") == "key_1"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "192.168.1.5", "", "a@localhost", "x y"]
)
def test_a_name_that_was_made_to_mean_this_machine_needs_a_key(host: str) -> None:
    """DNS rebinding: the page's own name, with the address of this machine."""
    with pytest.raises(Unauthenticated, match="own names"):
        check(Auth(NONE, "auto", "127.0.0.1"), host=host)
    assert check(Auth(ONE, "auto", "127.0.0.1"), host=host, x_api_key="secret") == "key_1"
    assert check(Auth(ONE, "never", "0.0.0.0"), host=host) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "perpend.localhost:1"]
)
def test_the_names_of_this_machine_need_none(host: str) -> None:
    assert check(Auth(NONE, "auto", "127.0.0.1"), host=host) is None


@pytest.mark.parametrize(
    ("client", "headers", "local"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8080"}, True),
        ("127.0.0.1", {}, True),
        ("192.168.1.5", {"host": "127.0.0.1:8080"}, False),
        ("127.0.0.1", {"host": "gateway.example"}, False),
        ("127.0.0.1", {"host": "localhost", "origin": "https://evil.example"}, False),
    ],
)
def test_who_is_a_program_on_this_machine(client: str, headers: dict[str, str], local: bool) -> None:
    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"client": (client, 1), "headers": lines}
    assert Auth(ONE, "always", "0.0.0.0").is_local(scope) is local


def test_a_page_that_the_config_names_can_and_any_page_only_with_a_key() -> None:
    named = Auth(NONE, "auto", "127.0.0.1", ("https://app.example",))
    assert check(named, origin="https://app.example") is None
    for auth in (named, Auth(NONE, "auto", "127.0.0.1", ("*",))):
        with pytest.raises(Unauthenticated, match="another origin"):
            check(auth, origin="https://evil.example")


def test_what_counts_as_this_machine() -> None:
    assert is_loopback("127.3.2.1")
    assert not is_loopback("127.0.0.1.evil.example")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.1.5")
