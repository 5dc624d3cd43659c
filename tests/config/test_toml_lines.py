"""Finding the line of a key in TOML text."""

from perpend.config.toml_lines import key_lines, line_of

TEXT = """\
home = "/data"

[serve]
host = "127.0.0.1"
port = 9000  # a comment

[models."my.model"]
price = { input = 1.5, output = 2 }
effort_tokens.low = 10

[providers.here]
base_url = '''
port = 1
'''
wire = "openai_chat"
"""


def test_tables_keys_dotted_and_quoted_names_have_their_line() -> None:
    lines = key_lines(TEXT)
    assert lines[("home",)] == 1
    assert lines[("serve",)] == 3
    assert lines[("serve", "port")] == 5
    assert lines[("models", "my.model")] == 7
    assert lines[("models", "my.model", "effort_tokens", "low")] == 9


def test_text_inside_a_long_string_is_not_a_key() -> None:
    lines = key_lines(TEXT)
    assert ("providers", "here", "port") not in lines
    assert lines[("providers", "here", "wire")] == 15


def test_a_key_of_an_inline_table_stands_on_the_line_of_the_table() -> None:
    assert line_of(key_lines(TEXT), ("models", "my.model", "price", "input")) == 8


def test_a_table_that_is_only_implied_stands_where_its_first_part_does() -> None:
    assert line_of(key_lines(TEXT), ("models", "my.model", "effort_tokens")) == 9
    assert line_of(key_lines(TEXT), ("models",)) == 7


def test_what_is_nowhere_is_on_the_first_line() -> None:
    assert line_of(key_lines(""), ("serve", "port")) == 1
