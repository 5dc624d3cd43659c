"""The machine that figures were taken on: a speed without it says nothing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("perpend", "uvicorn", "uvloop", "aiohttp", "msgspec", "httptools", "xllamacpp")


def describe() -> dict[str, Any]:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def one_line() -> str:
    facts = describe()
    packages = " ".join(f"{name} {release}" for name, release in facts["packages"].items())
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['ram_gib']} GiB RAM, {facts['system']}, "
        f"Python {facts['python']}; {packages}"
    )
