"""Refuses a built site with a page that loads anything from elsewhere: a script, a style, a font, an image, a frame."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
STYLES = re.compile(r"""(?:url\(|@import )\s*["']?((?:https?:)?//[^"')]+)""")


class Loads(HTMLParser):
    """The addresses from which a page loads something by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        address = held.get(LOADS.get(tag, "")) or ""
        if held.get("rel") != "canonical" and re.match(r"(https?:)?//", address):
            self.found.append(address)


def loads(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        return STYLES.findall(text)
    page = Loads()
    page.feed(text)
    return page.found


def main(site: Path) -> int:
    files = [file for file in site.rglob("*") if file.suffix in (".html", ".css")]
    foreign = [f"{file}: {address}" for file in files for address in loads(file)]
    print("\n".join(foreign) or f"{len(files)} pages and styles load nothing from elsewhere")
    return int(bool(foreign) or not files)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
