"""What is kept stays within its bytes and its time, and what was used lately stays longest."""

from hypothesis import given
from hypothesis import strategies as st

from perpend.serving.cache.entries import OVERHEAD, MemoryEntries

KEYS = [bytes([number]) for number in range(8)]


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_put_is_there_until_its_time_is_over() -> None:
    time = Time()
    entries = MemoryEntries(10_000, 5.0, time)
    await entries.put(b"k", b"value")
    time.now = 4.9
    assert await entries.get(b"k") == b"value"
    time.now = 5.0
    assert await entries.get(b"k") is None
    assert (entries.count, entries.size) == (0, 0)


async def test_one_that_is_put_again_lives_from_then_on() -> None:
    time = Time()
    entries = MemoryEntries(10_000, 5.0, time)
    await entries.put(b"k", b"old")
    time.now = 4.0
    await entries.put(b"k", b"newer")
    time.now = 8.9
    assert await entries.get(b"k") == b"newer"
    assert (entries.count, entries.size) == (1, OVERHEAD + 5)


async def test_what_was_used_least_lately_makes_room() -> None:
    entries = MemoryEntries(2 * (OVERHEAD + 1), 60.0)
    await entries.put(b"a", b"1")
    await entries.put(b"b", b"2")
    assert await entries.get(b"a") == b"1"
    await entries.put(b"c", b"3")
    assert [await entries.get(key) for key in (b"a", b"b", b"c")] == [b"1", None, b"3"]


async def test_what_is_larger_than_all_the_room_takes_nobodys_place() -> None:
    entries = MemoryEntries(OVERHEAD + 10, 60.0)
    await entries.put(b"a", b"1")
    await entries.put(b"b", b"x" * 11)
    assert (await entries.get(b"a"), await entries.get(b"b")) == (b"1", None)
    await entries.put(b"a", b"x" * 11)  # nor is the old one given in its stead
    assert await entries.get(b"a") is None


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 3000), st.floats(0, 4)), max_size=40),
)
async def test_bytes_and_time_hold_whatever_comes(steps: list[tuple[bytes, int, float]]) -> None:
    most, ttl_s, time = 4000, 10.0, Time()
    entries = MemoryEntries(most, ttl_s, time)
    put: dict[bytes, tuple[bytes, float]] = {}
    for key, size, pause in steps:
        time.now += pause
        value = bytes(size)
        await entries.put(key, value)
        put[key] = value, time.now
        found = {key: value for key in KEYS if (value := await entries.get(key)) is not None}
        assert all(put[key][0] == value and time.now < put[key][1] + ttl_s for key, value in found.items())
        assert entries.size == sum(len(value) + OVERHEAD for value in found.values()) <= most
        assert entries.count == len(found)
