"""`perpend replay`: read recorded exchanges with upstreams through the backends of their wires."""

from pathlib import Path

from perpend.cli.console import note, print_row
from perpend.cli.options import Json
from perpend.errors import BadRequest, ConfigError, NotFound


def replay(
    *folders: Path,
    json: Json = False,
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
    if absent := [str(folder) for folder in folders if not folder.exists()]:
        raise NotFound(f"{', '.join(absent)}: no such folder", hint="name folders of recordings")
    missing = False
    for folder in folders:
        try:
            recording = read_recording(folder)
        except ConfigError as error:
            note(f"perpend: {error}")
            missing = True
        else:
            print_row(played(recording))
    if missing:
        raise SystemExit(1)
