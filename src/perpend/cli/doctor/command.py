"""`perpend doctor`: a line for each thing that can be wrong, with its fix."""

import asyncio

from perpend.cli.console import print_json
from perpend.cli.options import ConfigFile, Flag, Json


def doctor(
    *,
    deep: Flag = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Check everything that Perpend needs: a line each, and the fix for what is wrong.

    The embedded engine is started, and each provider that the config names is asked one small question, which
    is in the ledger like any other. Exit status 1 if something is wrong.

    Examples:

    - `perpend doctor`
    - `perpend doctor --deep --json`

    Parameters
    ----------
    deep
        Verify the checksums of all weights, and ask every model of a provider, not only its first.
    json
        Print an array of objects with `what`, `ok`, `said` and `fix`.
    """
    from perpend.cli.doctor.examine import examine

    findings = asyncio.run(examine(config, deep=deep, show=not json))
    if json:
        print_json(findings)
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)
