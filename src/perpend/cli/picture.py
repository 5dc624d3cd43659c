# pyright: basic, reportMissingImports=false
# the plot library comes with the extra `bench`; types are checked where it isn't installed
"""Vega-Lite specs as PNG files."""

from pathlib import Path
from typing import Any

from perpend.errors import ConfigError
from perpend.extras import install


def write_picture(spec: dict[str, Any], path: Path) -> None:
    """Raises ConfigError where the extra isn't installed."""
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(f"{error.name} isn't installed", hint=install("perpend[bench]")) from None
    path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
