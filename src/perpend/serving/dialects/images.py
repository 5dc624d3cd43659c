"""Images in messages: data URLs of the usual types, and addresses that the model's vendor loads.

Perpend loads none itself. A model server in the same network might, so addresses in private ranges are refused; what
a public name resolves to isn't checked.
"""

import re

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.transport.addresses import web_address
from perpend.types import Image

_DATA = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/_=-]")


def image(url: str, field: str, config: Config, detail: str | None = None) -> Image:
    """The image part for a URL. Raises BadRequest naming `field`."""
    if url.startswith("data:"):
        if _DATA.match(url) is None:
            hint = "send data:image/png;base64,…, or jpeg, gif or webp"
            raise BadRequest("this data URL isn't an image that models read", hint=hint, field=field)
    else:
        try:
            address = web_address(url)
        except ValueError as error:
            hint = "send https://…, or data:image/png;base64,…"
            raise BadRequest(f"the image's URL {error}", hint=hint, field=field) from None
        if address.is_private and not config.serve.private_addresses:
            raise BadRequest(
                "the image's address isn't a public one",
                hint="send it as a data URL, or set serve.private_addresses",
                field=field,
            )
    return Image(url, detail)
