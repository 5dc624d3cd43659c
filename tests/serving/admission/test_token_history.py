"""What a request will take is learned from its like, and from what is less like it where that's too few."""

from hypothesis import given
from hypothesis import strategies as st

from perpend.serving.admission.history import RequestKind, TokenHistory

KIND = RequestKind("m", 1000, "single", 200)


def learned(kind: RequestKind, thinking: float, answer: float, times: int = 8) -> TokenHistory:
    history = TokenHistory()
    for _ in range(times):
        history.observe(kind, thinking, answer)
    return history


def test_before_anything_is_known_nobody_is_given_less_by_a_guess() -> None:
    assert TokenHistory().expected(KIND, 500) == (0, 0)


def test_its_like_is_believed_once_there_is_enough_of_it() -> None:
    history = learned(KIND, 300, 20)
    other = RequestKind("m", 1000, "self_consistency", 200)
    for _ in range(8):
        history.observe(other, 700, 5)
    assert history.expected(KIND, 500) == (320, 320)
    assert history.expected(other, 500) == (705, 705)


def test_too_few_of_its_like_give_way_to_what_is_less_like_it() -> None:
    history = learned(KIND, 300, 20, times=7)
    longer = RequestKind("m", 1000, "single", 90_000)
    assert history.expected(longer, 500) == (320, 320)
    for _ in range(8):
        history.observe(longer, 900, 40)
    assert history.expected(longer, 500) == (940, 940)


def test_budgets_bound_what_was_learned_with_larger_ones() -> None:
    history = learned(KIND, 700, 80, times=1)
    assert history.expected(KIND._replace(thinking=100), 50) == (150, 150)


def test_requests_without_a_thought_say_nothing_of_thoughts() -> None:
    history = learned(KIND._replace(thinking=0), 0, 20)
    assert history.expected(KIND._replace(thinking=64), 500) == (84, 84)
    assert history.expected(KIND._replace(thinking=0), 500) == (20, 20)


def test_one_in_ten_may_be_longer() -> None:
    history = TokenHistory()
    for number in range(160):
        history.observe(KIND, 10.0 * (number % 10), 0)
    assert history.expected(KIND, 500) == (50, 90)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_no_more_is_expected_than_may_be_spent(thinking: int, spent: int, answer: int) -> None:
    kind = KIND._replace(thinking=thinking)
    expected = learned(kind, min(thinking, spent), spent).expected(kind, answer)
    assert expected.p50 <= expected.p90 <= thinking + answer


def test_memory_is_bounded() -> None:
    history = TokenHistory()
    for number in range(10_000):
        history.observe(RequestKind(f"m{number}", 100, "single", 10), 1, 1)
    assert len(history._seen) <= 2048  # pyright: ignore[reportPrivateUsage]
