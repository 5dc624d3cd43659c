"""Estimates start careful and follow what is measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.accounting.estimates import Speed


class TestPace:
    def test_the_guess_serves_until_something_was_measured(self) -> None:
        speed = Speed(tokens_per_s=10.0, first_token_s=2.0)
        assert speed.eta_s(100) is None
        assert speed.seconds_for(100) == 12.0

    def test_the_first_measurement_replaces_the_guess(self) -> None:
        speed = Speed(tokens_per_s=10.0, first_token_s=2.0)
        speed.observe(tokens=101, decode_s=2.0, first_token_s=0.5)  # 100 tokens after the first
        assert speed.tokens_per_s == 50.0
        assert speed.eta_s(100) == 2.0
        assert speed.seconds_for(100) == 2.5

    def test_it_follows_a_change_of_pace(self) -> None:
        speed = Speed()
        speed.observe(tokens=1001, decode_s=10.0)
        for _ in range(10):
            speed.observe(tokens=257, decode_s=10.24)
        assert speed.tokens_per_s == pytest.approx(25.0, rel=0.02)

    def test_a_few_odd_tokens_hardly_count(self) -> None:
        speed = Speed()
        speed.observe(tokens=1001, decode_s=10.0)
        speed.observe(tokens=3, decode_s=0.000001)
        assert speed.tokens_per_s == pytest.approx(100.0, rel=0.01)

    @pytest.mark.parametrize(("tokens", "seconds"), [(0, 0.0), (1, 0.0), (5, 0.0), (0, 1.0), (1, 1.0)])
    def test_what_shows_no_pace_is_ignored(self, tokens: int, seconds: float) -> None:
        speed = Speed(tokens_per_s=10.0)
        speed.observe(tokens=tokens, decode_s=seconds)
        assert speed.tokens_per_s == 10.0
        assert not speed.measured


class TestTokensOfText:
    @given(st.text())
    def test_unlearned_it_is_a_token_for_every_three_bytes(self, text: str) -> None:
        assert Speed().estimate_tokens(text) == math.ceil(len(text.encode()) / 3)

    @given(st.text(min_size=1), st.integers(1, 10_000))
    def test_text_is_never_worth_nothing(self, text: str, tokens: int) -> None:
        speed = Speed()
        speed.observe_text("x" * 10_000, tokens)
        assert speed.estimate_tokens(text) >= 1

    def test_reported_usage_teaches_it(self) -> None:
        speed = Speed()
        for _ in range(20):
            speed.observe_text("word " * 1000, 1000)
        assert speed.estimate_tokens("word " * 100) == pytest.approx(100, rel=0.02)

    def test_more_tokens_than_bytes_were_hidden_ones_and_teach_nothing(self) -> None:
        speed = Speed()
        speed.observe_text("42", 5000)
        assert speed.estimate_tokens("abc") == 1
