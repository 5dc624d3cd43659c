"""`perpend`: finds the command, loads only that one, and turns errors into a message and an exit status."""

import os
import sys

from cyclopts import App

from perpend.errors import PerpendError

app = App(name="perpend", help="Ask reasoning models inside a budget of thinking, money and time.")
app.command("perpend.cli.ask:ask", name="ask")
app.command("perpend.cli.serve:serve", name="serve")
app.command("perpend.cli.models:app", name="models")
app.command("perpend.cli.train:app", name="train")
app.command("perpend.cli.keys:app", name="keys")
app.command("perpend.cli.usage:usage", name="usage")
app.command("perpend.cli.config:app", name="config")
app.command("perpend.cli.doctor:doctor", name="doctor")


def main() -> None:
    """Exit status 0, 1 (it failed), 2 (bad use), 130 (interrupted)."""
    try:
        app(exit_on_error=False, print_error=True, result_action="return_value")
    except PerpendError as error:
        print(f"perpend: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        from cyclopts import CycloptsError

        if isinstance(error, CycloptsError):
            raise SystemExit(2) from None
        raise
