"""The fuzz of the gateway: a fast share of it, and whether it finds what is there to be found.

`python -m benchmarks.fuzz` sends many more.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
from benchmarks.fuzz.attack import Answer, Attack
from benchmarks.fuzz.cases import Case, case
from benchmarks.fuzz.gateway import attacked

SEED = 11
CASES = 2000


async def test_a_share_of_it_finds_nothing(tmp_path: Path) -> None:
    with attacked(tmp_path) as gateway:
        attack = Attack(gateway.port, patience_s=60)
        await attack.run((case(SEED, number, gateway.key) for number in range(CASES)), at_once=32)
        problems = await asyncio.to_thread(gateway.problems)
    assert not [(one.what, one.case.number, one.case.line) for one in attack.findings]
    assert not problems, "\n".join(problems)
    by_status = Counter(status for _, status in attack.statuses.elements())
    assert by_status[200] > CASES / 20, "much of it is right, and answered"
    assert by_status[400] > CASES / 5


def test_a_case_is_made_of_its_seed_and_number_alone() -> None:
    made = [case(SEED, number, "KEY") for number in range(3000)]
    assert made[::-1] == [case(SEED, number, "KEY") for number in reversed(range(3000))]
    assert made != [case(SEED + 1, number, "KEY") for number in range(3000)]
    kinds = Counter(one.kind for one in made)
    assert min(kinds.values()) > 30
    assert len(kinds) == 7
    bodies = [one.request.partition(b"\r\n\r\n")[2] for one in made]
    for word in (
        b"http://",
        b"(?P<1>a)",
        b'\\"$ref\\"',
        b"best_of_n",
        b"\\ud800",
        b'"regex"',
        b":99999",
        b"1e999",
    ):
        assert any(word in body for body in bodies), word


async def test_it_finds_what_is_there(tmp_path: Path) -> None:
    """A server that answers as it's told in a request's first line."""
    bug = msgspec.json.encode(
        {"error": {"message": "something went wrong inside Perpend", "code": "internal_error"}}
    )
    told = msgspec.json.encode({"error": {"message": "it broke", "code": "upstream_error"}})
    said = {
        "/fine": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "/bug": b"HTTP/1.1 500 -\r\ncontent-length: %d\r\n\r\n%b" % (len(bug), bug),
        "/late-bug": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(bug), bug),
        "/told": b"HTTP/1.1 502 -\r\ncontent-length: %d\r\n\r\n%b" % (len(told), told),
        "/untold": b"HTTP/1.1 503 -\r\ncontent-length: 0\r\n\r\n",
        "/cut": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
        "/closed": b"",
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = ""
        while line := await reader.readline():
            path = line.split()[1].decode() if line.startswith(b"GET") else path
            if line != b"\r\n":
                continue
            if path in said:
                writer.write(said[path])
            if path in ("/cut", "/closed"):
                break
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    attack = Attack(server.sockets[0].getsockname()[1], patience_s=0.5)
    paths = [*said, "/hang", "/fine"]
    cases = [
        Case(at, "x", f"GET {path} HTTP/1.1\r\n\r\n".encode(), whole=True) for at, path in enumerate(paths)
    ]
    await attack.run(cases, at_once=3)
    found = {paths[one.case.number]: one.what for one in attack.findings}
    assert found == {
        "/bug": "500: a bug told in the answer",
        "/late-bug": "200: a bug told in the answer",
        "/untold": "503 ",
        "/cut": "closed without an answer",
        "/closed": "closed without an answer",
        "/hang": "no answer within 0.5 s",
    }
    assert attack.statuses == {("x", 200): 3, ("x", 500): 1, ("x", 502): 1, ("x", 503): 1, ("x", 0): 2}
    server.close()
    await asyncio.sleep(0.05)


def test_ids_that_the_gateway_gave_stand_in_their_places() -> None:
    attack = Attack(0, patience_s=1)
    body = b'{"previous_response_id":"@response@"}'
    request = b"POST /v1/x/@conversation@ HTTP/1.1\r\ncontent-length: %d\r\na: b\r\n\r\n%b" % (
        len(body),
        body,
    )
    filled = attack.filled(request)
    assert filled.endswith(b'\r\ncontent-length: 31\r\na: b\r\n\r\n{"previous_response_id":"none"}')
    assert filled.startswith(b"POST /v1/x/none HTTP/1.1\r\n")
    assert attack.filled(b"no ids @ all") == b"no ids @ all"


def test_what_is_told_as_somebody_elses_failure_is_no_finding() -> None:
    body = b'{"type":"error","error":{"type":"api_error","code":"verifier_failed","message":"x"}}'
    assert Answer(502, body, 0.1).wrong is None
    assert Answer(500, b'{"error":{"code":"config_error"}}', 0.1).wrong == "500 config_error"
