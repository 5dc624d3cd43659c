"""What requests say, good and bad, in the dialects' words and our own: fields, strategies, verifiers, addresses."""

from random import Random
from typing import Any

JSON = Any

SERVED = ("chat", "messages", "responses", "raw")
MODELS = (
    *SERVED,
    *("chat-4", "nobody", "", "CHAT", "fake/x", "a/b/c", "../x.gguf", "x.gguf"),
)
TEXTS = (
    *("What is 6 times 7?", "Say hi.", "A or B?", "", " ", "é", "日本語", "\U0001f600", "<think>hm</think>7"),
    "</think>",
)
"""Questions; the fake model answers by what it is asked."""

# Addresses: of loopback, private or reserved ranges and of names that nobody has, for the gateway may call them.
SCHEMES = (
    *("http://", "https://", "HTTP://", "ftp://", "//", "http:", "http:///", "file://", "", "gopher://"),
    "http:\\\\",
)
USERS = ("", "", "", "", "user@", "user:secret@", "8.8.8.8\\@", "@", "%40@")
HOSTS = (
    *("name.invalid", "NAME.invalid.", "a_b.invalid", f"{'a' * 63}.invalid", f"{'a' * 64}.invalid"),
    "a." * 130 + "invalid",
    *("localhost", "LOCALHOST.", "a.localhost", "nas.local", "router", "localhost.localdomain", "x.internal"),
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0", "127.0.0.1."),
    *("10.0.0.1", "169.254.169.254", "192.168.0.1", "224.0.0.1", "255.255.255.255", "256.1.1.1"),
    *("10.0.0.1.5", "0xfffffffff", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fd00::1]"),
    *("[fe80::1%25lo]", "[fe80::1%lo]", "[::1", "::1", "[]", "[g::]", "[127.0.0.1]", "[::1]x", "a[b]", "]"),
    *("ｌｏｃａｌｈｏｓｔ", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127。0。0。1", "①②⑦.⓪.⓪.①", "loc\u00adalhost", "bücher.invalid"),
    *("faß.invalid", "xn--bcher-kva.invalid", "xn--.invalid", "xn--\u00fc.invalid", "a／b.invalid"),
    *("a\u2100b", "ß" * 64, "\ud800.invalid", "", ".", "..", "a..b", "a b.invalid", "a%00b.invalid"),
    *("a%2eb", "-a.invalid", "*.invalid", "a\tb", "a\r\nb", "\0"),
)
PORTS = (
    *("", "", "", ":80", ":1", ":0", ":65535", ":65536", ":99999", ":", ":x", ":-1", ":8 0", ":٨٠"),
    ":" + "9" * 400,
)
PATHS = (
    *("", "/", "/x", "/é", "/a b", "/%", "/%zz", "?q", "/?q=é#f", "#", "\\x", "/../..", "/\r\nx: y"),
    "/" + "a" * 9000,
)

PATTERNS = (
    *("7", "4?2", ".*", "", "^$", "(a|b)+", r"\d+", r"(?i)forty-two", r"[\s\S]*", "\u00e9+"),
    *("\\N{BULLET}", "(?s:.)*", "(", ")", "[", "a{2,1}", "a{99999999999}", "(?P<1>a)", "(?P<a>b)(?P<a>c)"),
    *("\\", r"\1", "*", "(?<=a*)b", "(?z)", "(" * 300 + ")" * 300, "(" * 9000, "a" * 50_000, "[^\0]"),
    *("\ud800", "(?:" * 3000, "[z-a]", "(?#", "(?(1)a|b)"),
)
EXPLODING = ("(a+)+c", r"^([\w ,-]+)+=$", "(.*)*=", "(x+x+)+y", r"^(\w+\s?)*\|$")
SCHEMAS = (
    *("true", "false", "{}", '{"type":"string"}', '{"type":"object","required":["a"]}'),
    *('{"enum":[1,"2",null]}', '{"type":"array","items":{"$ref":"#"}}', '{"$ref":"#"}'),
    *('{"$ref":"#/$defs/a","$defs":{"a":{"type":"integer"}}}', '{"$ref":"#/nowhere"}'),
    *('{"$ref":"http://name.invalid/s"}', '{"$ref":7}', '{"$ref":"#/a%"}', '{"$id":"::"}'),
    *('{"pattern":"("}', '{"pattern":"^(a+)+c$"}', '{"patternProperties":{"[":{}}}', '{"type":"strin"}'),
    *('{"type":3}', '{"allOf":[{"$ref":"#"}]}', '{"minimum":1e400}', '{"multipleOf":0}'),
    *('{"maxLength":-1}', '{"format":"regex"}', '{"$schema":"http://json-schema.org/draft-03/schema"}'),
    *('{"$schema":"nowhere"}', '{"$schema":7}', '{"$anchor":1}'),
    *('{"$dynamicRef":"#a","$dynamicAnchor":"a"}', '{"$recursiveRef":"#"}'),
    *('{"dependencies":{"a":["b"]}}', "null", "[]", "{", "", "7", '"x"', '{"not":true}', '{"enum":{}}'),
    *('{"const":' + "[" * 400 + "]" * 400 + "}", "[" * 9000, "\ud800"),
    *('{"properties":' * 300 + "{}" + "}" * 300, '{"items":[true,false,{}]}'),
    '{"contains":{},"minContains":9e99}',
)
TESTS = (
    *("assert f() == 7", "assert", "assert True", "def check(c):\n  assert c() == 7", "", "x ="),
    *("(" * 300, "\0", '[{"stdin":"1","stdout":"7"}]', "[]", '["assert f() == 7"]'),
    *('{"test":"assert f()==7","entry_point":"f"}', '[{"stdin":1}]'),
)
LITERALS = (
    *("7", "[1, 2]", "{'a': 1}", "f(x)", "", "(" * 500, "-" * 5000 + "1", "9" * 5000, "1e999", "b'\\xff'"),
    *("\0", "{[]: 1}"),
)
GOALS = (
    *('{"numbers":[6,7],"target":42}', '{"numbers":[],"target":0}', "{}", ""),
    *('{"numbers":[1.5],"target":7}', "[" * 9000),
)
DRAWN = ('{"task":"caesar_cipher","seed":1,"index":0}', '{"task":"nothing","seed":1,"index":0}', "{}", "")
GOLDS = (
    *("7", "42", "B", r"\frac{84}{2}", "Z", "", "x^{y^{z^w}}", "{" * 200, "9" * 5000, "1/0", "(1,2]"),
    *("None", "\ud800", "é"),
)

ANSWERS = (
    *(
        *GOLDS,
        *LITERALS,
        *GOALS[:3],
        "What is 6 times 7?",
        "Say hi.",
        "6 * 7",
        "6*7=42",
        "A and B",
        '"x"',
        "null",
    ),
    *(
        "9" * 5000,
        f"{'9' * 5000} = 1",
        f"7 = {'9' * 5000}",
        "1" + "+1" * 3000,
        "(" * 2000,
        "{" * 2000,
        "[" * 9000,
    ),
    *(
        "2**9**9**9",
        "9^9^9^9",
        "100000!",
        "3!!!!!!",
        "1e999",
        "1e-999999",
        "0x" + "f" * 5000,
        "1" * 5000 + "_2",
    ),
    *(
        r"\boxed{" * 500,
        r"\frac{1}{0}",
        r"\sqrt{" * 300,
        r"x = \int_0^1",
        "٣",
        "½",
        "二",
        "1,2,3",
        "-" * 3000 + "1",
    ),
    *(
        "```python\nwhile True: pass\n```",
        "```json\n{\n```",
        "```" * 900,
        "a" * 32 + "b",
        "\0",
        "\ud800",
        "<answer>" * 900,
    ),
)
"""What the fake model says again, half of the time: what a verifier is given."""

VERIFIERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("answer", "exact", "choice", "math", "numbers", "judge", "self_score", "process_reward"), GOLDS
    ),
    **{"regex": PATTERNS, "schema": SCHEMAS, "literal": LITERALS, "countdown": GOALS, "reasoning_gym": DRAWN},
    **{"code": TESTS, "http": GOLDS, "near": GOLDS, "nothing": GOLDS, "": GOLDS, "Math": GOLDS},
}
OFTEN = ("regex", "schema", "http")
OPTIONS: dict[str, dict[str, tuple[JSON, ...]]] = {
    "http": {
        "timeout_s": (1, 0.2, 0, -1, 61, "1", None, 1e300),
        "url": ("http://name.invalid/", 7, None, ["http://name.invalid/"]),
    },
    "judge": {
        "threshold": (0.5, 0, 1, 1.5, -0.1, "0.5", True),
        "model": (*SERVED, "nobody", "", 7, "x.gguf"),
        "rubric": ("It is right.", "", "é" * 2000, None),
        "reason_tokens": (0, 16, -1, 5000, 1.5),
    },
    "self_score": {"threshold": (0.5, 0, 2)},
    "process_reward": {
        "model": (*SERVED, "nobody"),
        "aggregate": ("min", "product", "last", "mean", "median", 1),
        "threshold": (0.5, 1, "x"),
    },
}
NO_OPTIONS: dict[str, tuple[JSON, ...]] = {
    "colour": ("red",),
    "url": ("http://name.invalid/",),
    "workers": (1,),
}
STRATEGIES: dict[str, dict[str, tuple[JSON, ...]]] = {
    "single": {},
    "samples": {"n": (1, 2, 0, 129, "2"), "temperature": (0.5, 3, None)},
    "self_consistency": {
        "n": (2, 3, 0, 257),
        "confidence": (0.95, 1, 0.4),
        "weighted": ("none", "score", "x"),
    },
    "best_of_n": {
        "n": (1, 2, 0, 257),
        "pairwise": (True, False, 1),
        "of": ("single", "refine", {"name": "budget_forcing"}),
    },
    "refine": {"rounds": (1, 2, 0), "first": (1, 0.5, 0)},
    "budget_forcing": {"waits": (0, 1, 65)},
    "beam": {
        "width": (1, 2, 0),
        "expand": (2, 1),
        "depth": (1, 2, 0),
        "step": ("\n\n", "", "x" * 65),
        "diverse": (True, "no"),
    },
    "tree": {
        "search": ("bfs", "dfs", "mcts", "x"),
        "breadth": (1, 2),
        "depth": (1, 2),
        "nodes": (1, 4),
        "exploration": (0, -1),
    },
    "cascade": {
        "models": (["chat", "raw"], ["nobody"], [["chat", "raw"], "messages"], [], "chat", [[]]),
        "signal": ("score", "x"),
    },
    "from_thought": {"thought": ("hm", "", 7)},
    "nothing": {"n": (1,)},
}
FIELDS: dict[str, tuple[JSON, ...]] = {
    "model": MODELS,
    "stream": (True, True, True, False, None),
    "reasoning_effort": ("none", "minimal", "low", "medium", "high", "max", "xhigh", "ultra", "hgih", "", 3),
    "max_thinking_tokens": (0, 1, 64, 4096, 10_000_000, 10_000_001, -1, 1.5, "64", True),
    "max_cost_usd": (0, 0.01, "0.5", "1e-400", "NaN", "inf", -1, 1e308, "1" * 5000, "٣", "", True),
    "deadline_ms": (1, 50, 2000, 10_000, 0, -1, 86_400_001, 2.5, "50"),
    "thinking_visibility": ("hidden", "summary", "visible", "none"),
    "progress": (True, False, 1),
    "router": ("off", "learned", 1),
    "cache": (False, True, "yes"),
    "top_k": (1, 40, -1, -2, 10**7),
    "min_p": (0, 0.1, 1, 2, "0.1"),
    "repetition_penalty": (1.1, 0, 101),
    "provider_options": (
        {"fake": {"x": 1}},
        {"nobody": {}},
        {"openai_chat": {"stream": False}},
        {"fake": {"max_tokens": 1}},
        [],
    ),
    "temperature": (0, 0.7, 2, 2.1, -1, "1", 1e-320),
    "top_p": (0, 0.9, 1, 1.1),
    "seed": (0, 1, -(2**63), 2**63, 2**64, 1.5),
    "stop": ("x", ["x", "y"], [], "", ["x"] * 17, "y" * 257, [1]),
    "n": (1, 2, 0, 129, 1.0),
    "logprobs": (True, 3, False),
    "top_logprobs": (0, 5, 21),
    "logit_bias": ({"1": 1}, {"x": 101}, {"": -100}),
    "max_tokens": (1, 64, 4096, 0, 10**8),
    "max_completion_tokens": (1, 256, -1),
    "max_output_tokens": (1, 256, 0),
    "stream_options": ({"include_usage": True}, {"include_obfuscation": 1}, []),
    "store": (True, False, 1),
    "background": (True, False, "yes"),
    "metadata": ({"a": "b"}, {"a": 1}, {"": ""}, []),
    "include": (["message.output_text.logprobs"], ["nothing"], "x"),
    "truncation": ("auto", "disabled", "x"),
    "previous_response_id": ("@response@", "resp_none", "", "\0"),
    "conversation": ("@conversation@", {"id": "@conversation@"}, "conv_none", {}),
    "reasoning": ({"effort": "low", "summary": "auto"}, {"effort": "x"}, {"generate_summary": "concise"}),
    "thinking": ({"type": "enabled", "budget_tokens": 64}, {"type": "adaptive"}, {"type": "x"}),
    "output_config": ({"effort": "low"}, {"format": {"type": "json_schema", "schema": {}}}),
    "context_management": ({"edits": [{"type": "clear_tool_uses_20250919"}]}, {"edits": [{"type": "x"}]}),
    "thread": ({"type": "x"}, {"type": "thread", "previous_message_id": "msg_1"}),
    "response_format": (
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/x", "pattern": "("}}},
        {"type": "grammar"},
    ),
    "text": ({"format": {"type": "json_schema", "name": "a", "schema": {"type": 7}}}, {"verbosity": "low"}),
    "suffix": ("x",),
    "echo": (True,),
    "encoding_format": ("base64", "float", "x"),
    "dimensions": (2, 0, 10**8),
}
PDFS = (
    *("data:application/pdf;base64,é", "data:application/pdf;base64,=", "data:application/pdf,x"),
    *("data:;base64,", "", "https://name.invalid/a.pdf", "data:image/png;base64,AAAA"),
    *("data:text/plain;base64,aGk=", "data:text/plain;base64,é"),
)
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
"""One that a process is started for: a case in fifty of those that have any."""


def often_first(rng: Random, values: tuple[JSON, ...]) -> JSON:
    """The first is right."""
    return values[0] if rng.random() < 0.5 else rng.choice(values)


def document(rng: Random) -> str:
    return PDF if rng.random() < 0.02 else rng.choice(PDFS)


def address(rng: Random) -> str:
    return rng.choice(SCHEMES[:2] if rng.random() < 0.8 else SCHEMES) + "".join(
        map(rng.choice, (USERS, HOSTS, PORTS, PATHS))
    )


def verifier(rng: Random) -> JSON:
    name = rng.choice(OFTEN if rng.random() < 0.5 else tuple(VERIFIERS))
    if rng.random() < 0.1:
        return name
    said: dict[str, JSON] = {"name": name}
    if name != "http" or rng.random() < 0.5:
        said["gold"] = rng.choice(VERIFIERS[name])
    if name == "regex" and rng.random() < 0.005:
        said["gold"] = rng.choice(EXPLODING)
    if name == "http":
        said["url"] = address(rng)
    if rng.random() < 0.3 and (options := OPTIONS.get(name, NO_OPTIONS if rng.random() < 0.1 else {})):
        option = rng.choice(tuple(options))
        said[option] = often_first(rng, options[option])
    return said


def strategy(rng: Random) -> JSON:
    name = rng.choice(tuple(STRATEGIES))
    if rng.random() < 0.2:
        return name
    said: dict[str, JSON] = {"name": name}
    for option, values in STRATEGIES[name].items():
        if option in ("n", "models") or rng.random() < 0.4:
            said[option] = often_first(rng, values)
    if rng.random() < 0.3:
        said["verifier"] = verifier(rng)
    if rng.random() < 0.05:
        said["stream_candidate"] = rng.choice(("first", "chosen", "last", 1))
    return said


def fields(rng: Random) -> dict[str, JSON]:
    """Some of Perpend's own and of the dialects', whichever the body is of."""
    said: dict[str, JSON] = {}
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        name = rng.choice(tuple(FIELDS))
        said[name] = often_first(rng, FIELDS[name])
    if rng.random() < 0.2:
        said["strategy"] = strategy(rng)
    if rng.random() < 0.25:
        said["verifier"] = verifier(rng)
    return said
