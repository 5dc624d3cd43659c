"""Images may be data of the usual types, or lie at public addresses."""

import pytest

from perpend.config.schema import Config, ServeConfig
from perpend.errors import BadRequest
from perpend.serving.dialects.images import image
from perpend.types import Image


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://8.8.8.8/a", "data:image/webp;base64,UklGRg=="]
)
def test_what_a_vendor_may_see(url: str) -> None:
    assert image(url, "f", Config(), "low") == Image(url, "low")


PRIVATE = [
    "http://localhost/a.png",
    "http://127.0.0.1:8080/a.png",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://10.0.0.7/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://metadata.google.internal/",
    "http://printer.local./",
    "http://router/",
    "http://a.localhost/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_of_the_own_network_is_refused_unless_the_config_allows_it(url: str) -> None:
    with pytest.raises(BadRequest) as caught:
        image(url, "messages[0].content[1].image_url.url", Config())
    assert caught.value.field == "messages[0].content[1].image_url.url"
    assert image(url, "f", Config(serve=ServeConfig(private_addresses=True))) == Image(url)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "data:text/html;base64,AA",
        "data:image/png,AA",
        *(
            "a.png",
            "",
            "http://[::1/",
            "http://example.com:99999/",
            "http://user@example.com/",
            "http://a..b/",
        ),
    ],
)
def test_what_is_no_image_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        image(url, "f", Config(serve=ServeConfig(private_addresses=True)))
