"""`perpend`: load the named command alone, run it, and turn errors into messages and exit statuses."""

import io
import os
import sys

from cyclopts import App

from perpend.errors import BadRequest, PerpendError

app = App(
    name="perpend",
    help="Ask reasoning models inside a budget of thinking, money and time.\n\n"
    'Such as `perpend ask "What is 17 * 23?"`, `perpend serve` or `perpend doctor`.',
)
for name, target in (
    ("ask", "ask:ask"),
    ("serve", "serve.command:serve"),
    ("launch", "launch.command:launch"),
    ("models", "models.commands:app"),
    ("eval", "eval.commands:app"),
    ("train", "train:app"),
    ("verify", "verify:verify"),
    ("sandbox", "sandbox:sandbox"),
    ("keys", "keys:app"),
    ("usage", "usage:usage"),
    ("calibrate", "calibrate.command:calibrate"),
    ("config", "config:app"),
    ("doctor", "doctor.command:doctor"),
    ("replay", "replay:replay"),
):
    app.command(f"perpend.cli.{target}", name=name)


def main() -> None:
    """Run the command line. Exit status 0, 1 (failed), 2 (wrong use) or 130 (interrupted). Raises SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal may lack a character, which is no reason to fail
    _load_listed(sys.argv[1:])
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=True, result_action="return_value")
    except PerpendError as error:
        print(f"perpend: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, BadRequest) else 1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        hint = "perpend doctor says what can be written; PERPEND_HOME names another folder"
        print(f"perpend: {message}\n  hint: {hint}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, FileNotFoundError) else 1) from None
    except Exception as error:
        from cyclopts import CycloptsError

        if isinstance(error, CycloptsError):
            raise SystemExit(2) from None
        raise


def _load_listed(words: list[str]) -> None:
    """Load all commands of the named group: its help lists their summaries."""
    group = app
    for word in words:
        if word not in ("--help", "-h"):
            if word not in group:
                return
            group = group[word]
    group.resolved_commands()
