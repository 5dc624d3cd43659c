"""`perpend replay`: what a recorded exchange with an upstream says, through the backend of its wire."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from perpend.errors import BadRequest


def replay(
    *folders: Path,
    json: Annotated[bool, Parameter(name="--json", negative="", show_default=False)] = False,
) -> None:
    """Read recorded exchanges with upstreams through their backends: for bug reports, and for tests.

    Each folder holds `response.json` or `response.sse`, and, where they are known, `request.json` and `meta.json`
    (`url`, `vendor`, `status`). One JSON object is printed for each, with its `thinking`, `answer`, `tool_calls`,
    `usage`, `stop_reason` and `error`.

    Example: `perpend replay recordings/chat-1 recordings/chat-2`

    Parameters
    ----------
    folders
        Folders of recordings, one for each exchange.
    json
        The output is JSON anyway.
    """
    from perpend.backends.recording import read_recording
    from perpend.backends.recording import replay as played

    if not folders:
        raise BadRequest("name at least one folder", hint="perpend replay FOLDER…", field="--folders")
    for folder in folders:
        line = msgspec.json.encode(played(read_recording(folder)))
        sys.stdout.write(line.decode() + "\n")
