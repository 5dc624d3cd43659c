"""A `llama-server` that isn't one: it answers at once, and dies as often as a file says."""

import sys
from pathlib import Path

_SCRIPT = """#!{python}
import http.server, json, os, pathlib, sys, time
deaths, starts = pathlib.Path({folder!r}, "deaths"), pathlib.Path({folder!r}, "starts")
with starts.open("a") as file:
    file.write("x")
port = int(sys.argv[sys.argv.index("--port") + 1])
def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\\n\\n"
class Engine(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        self.said(b"[]")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.endswith("completion"):
            return self.said(b'{{"prompt": "p", "tokens": [1]}}')
        left = int(deaths.read_text())
        if left and not {says!r}:
            self.die(left)
        first = event(content="4", tokens_predicted=1)
        if left:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(first)
            self.wfile.flush()
            time.sleep(0.1)
            self.die(left)
        self.said(first + event(content="2", stop=True, stop_type="eos", tokens_predicted=2, tokens_evaluated=5))
    def die(self, left):
        deaths.write_text(str(left - 1))
        print("/secret/weights.cpp:42: GGML_ASSERT failed at 10.1.2.3:4567", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    def said(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Engine).serve_forever()
"""


def engine_binary(folder: Path, *, deaths: int, says: bool = False) -> Path:
    """Its next `deaths` requests end it: before they are answered, or after a word (`says`)."""
    (folder / "deaths").write_text(str(deaths))
    (folder / "starts").touch()
    binary = folder / "llama-server"
    binary.write_text(_SCRIPT.format(python=sys.executable, folder=str(folder), says=says))
    binary.chmod(0o755)
    return binary


def starts(folder: Path) -> int:
    """How often it was started."""
    return len((folder / "starts").read_text())
