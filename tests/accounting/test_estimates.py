"""Estimates start careful and follow what is measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.accounting.estimates import Lengths, Speed, remaining


class TestPace:
    def test_the_guess_serves_until_something_was_measured(self) -> None:
        speed = Speed(tokens_per_s=10.0, first_token_s=2.0)
        assert speed.seconds_for(100) == 12.0

    def test_the_first_measurement_replaces_the_guess(self) -> None:
        speed = Speed(tokens_per_s=10.0, first_token_s=2.0)
        speed.observe(tokens=101, decode_s=2.0, first_token_s=0.5)  # 100 tokens after the first
        assert speed.tokens_per_s == 50.0
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


class TestLengths:
    def test_a_guess_serves_until_something_was_observed(self) -> None:
        lengths = Lengths(share=0.5, answer=100.0)
        assert lengths.thinking_left(1000, 0) == 500
        assert lengths.answer_left(4096, 40) == 60

    def test_they_follow_what_is_observed(self) -> None:
        lengths = Lengths()
        for _ in range(40):
            lengths.observe(thinking=200, budget=1000, answer=50)
        assert lengths.thinking_left(2000, 0) == pytest.approx(400, rel=0.01)
        assert lengths.answer_left(4096, 0) == pytest.approx(50, rel=0.01)

    def test_without_a_budget_nothing_is_learned_of_thinking(self) -> None:
        lengths = Lengths(share=0.5)
        lengths.observe(thinking=0, budget=0, answer=50)
        assert lengths.thinking_left(1000, 0) == 500

    @given(st.integers(0, 5000), st.integers(0, 10_000))
    def test_never_more_than_may_come(self, most: int, so_far: int) -> None:
        lengths = Lengths()
        assert 0 <= lengths.thinking_left(most, so_far) <= max(0, most - so_far)
        assert 0 <= lengths.answer_left(most, so_far) <= max(0, most - so_far)

    @given(st.floats(0, 1000), st.floats(0.1, 1000))
    def test_what_goes_on_is_expected_to_go_on(self, usual: float, so_far: float) -> None:
        assert remaining(usual, so_far) > 0
