"""Which addresses lead into our own network, however they are written."""

import asyncio
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from perpend.transport.addresses import NotPublic, is_public, resolved, web_address


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "ff02::1",
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
        "2606:4700::1111%eth0",
        "::ffff:8.8.8.8%eth0",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://router/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://nas.local/",
            "http://a.default.svc/",
        ),
        *(
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
        ),
        *(
            "http://0/",
            "http://0.0.0.0:80/",
            "http://0x7f.1/",
            "http://127.0.0.1./",
            "http://[::]/",
            "http://[::1]/",
        ),
        *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::10.0.0.1]/"),
        *("http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://169.254.169.254/latest/"),
        # what NFKC and IDNA make plain
        *(
            "http://ｌｏｃａｌｈｏｓｔ/",
            "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
            "http://loc\u00adalhost/",
            "http://127。0。0。1/",
        ),
        *(
            "http://①②⑦.⓪.⓪.①/",
            "http://１２７.１/",
            "http://１６９.２５４.１６９.２５４/",
            "http://a．localhost/",
        ),
    ],
)
def test_private_by_its_name_however_it_is_written(url: str) -> None:
    assert web_address(url).is_private


@pytest.mark.parametrize(
    ("url", "host", "authority", "target"),
    [
        ("https://example.com", "example.com", "example.com", "/"),
        ("HTTP://Example.COM.:80/a b?q=é#f", "example.com", "example.com", "/a%20b?q=%C3%A9"),
        ("https://example.com:8443/%2F?a=%20", "example.com", "example.com:8443", "/%2F?a=%20"),
        ("https://bücher.example/ü", "xn--bcher-kva.example", "xn--bcher-kva.example", "/%C3%BC"),
        ("http://[2606:4700:0::1111]:81/", "2606:4700::1111", "[2606:4700::1111]:81", "/"),
        ("http://134744072/", "8.8.8.8", "8.8.8.8", "/"),
        ("http://example.com:0000081/", "example.com", "example.com:81", "/"),
        ("http://a_b.example.com/\ud800", "a_b.example.com", "a_b.example.com", "/%3F"),
    ],
)
def test_what_is_sent_of_an_address(url: str, host: str, authority: str, target: str) -> None:
    read = web_address(url)
    assert (read.host, read.authority, read.target) == (host, authority, target)
    assert not read.is_private


@pytest.mark.parametrize(
    ("url", "said"),
    [
        *((f"http://example.com:{port}/", "port") for port in ("99999", "0", "65536", "9" * 5000)),
        *((f"http://example.com:{port}/", "host") for port in ("x", "-1", "8 0", "٨٠")),
        *((f"http://{'a' * length}.example/", "name") for length in (64, 64_000 // 8)),
        *(
            (f"http://{host}/", "name")
            for host in ("a..b", ".", "a b", "a%2eb", "\ud800", "é" * 64, "a" + "\u00ad" * 300)
        ),
        *(
            (f"http://{host}/", "host")
            for host in (
                "",
                "[",
                "[::1",
                "::1",
                "[]",
                "a]",
                "a[b]",
                "[::1]x",
                "a／b",
                "a:b:c",
                "[::g]",
                "[1.2.3.4]",
            )
        ),
        *((f"http://{host}/", "none") for host in ("256.1.1.1", "1.2.3.4.5", "0xfffffffff", "a.1")),
        *((f"http://{host}/", "user") for host in ("a@b", "a:b@c", "@b", "8.8.8.8\\@127.0.0.1")),
        *(
            (url, "begin")
            for url in ("", "example.com", "ftp://example.com", "//example.com", "file:///etc/passwd")
        ),
        ("http://example.com\\a", "name"),
        ("http://example.com/" + "a" * 10_000, "characters"),
    ],
)
def test_what_not_every_client_reads_alike_is_none(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        web_address(url)


@given(some.text(max_size=40), some.sampled_from(["http://", "https://", "http://[", ""]))
def test_any_text_is_read_or_is_none(text: str, scheme: str) -> None:
    try:
        read = web_address(scheme + text)
    except ValueError:
        return
    assert f"{read.authority}{read.target}".isascii()
    assert not set(f"{read.authority}{read.target}") & set(" \r\n\t\0")
    assert web_address(f"http{'s' * read.tls}://{read.authority}{read.target}") == read


@given(some.ip_addresses())
def test_no_address_is_public_that_is_private_inside(address: Any) -> None:
    if isinstance(address, ipaddress.IPv4Address):
        for shown in (
            f"::ffff:{address}",
            f"64:ff9b::{address}",
            f"2002:{int(address) >> 16:x}:{int(address) & 0xFFFF:x}::",
        ):
            assert is_public(shown) == is_public(str(address))
    assert not (
        is_public(str(address)) and (address.is_private or address.is_multicast or address.is_loopback)
    )


async def test_a_name_with_any_address_of_our_own_is_refused() -> None:
    with pytest.raises(NotPublic, match="localhost isn't at a public address"):
        await resolved("localhost", 80)


async def test_an_address_resolves_to_itself() -> None:
    assert await resolved("8.8.8.8", 53) == ["8.8.8.8"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "fe80::1%eth0", "::"])
async def test_each_address_of_a_name_counts(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", (each, 80)) for each in ("8.8.8.8", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
    with pytest.raises(NotPublic):
        await resolved("example.com", 80)
