"""The door: what goes in comes out, runs know nothing of each other, and a cancelled one is gone."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Callable

import pytest
import uvloop
from sandbox.sandboxes import NAMES, children, level_named

from perpend.errors import SandboxUnavailable
from perpend.sandbox import IsolationLevel, Limits, Sandbox
from perpend.sandbox.slot import SlotLaunch


@pytest.fixture(params=NAMES)
def level(request: pytest.FixtureRequest) -> IsolationLevel:
    return level_named(request.param)


class TestRun:
    async def test_streams_and_status(self, level: IsolationLevel) -> None:
        program = "import sys\nprint(input().upper())\nprint('oops', file=sys.stderr)\nsys.exit(3)"
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, "shout\n")
        assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("SHOUT\n", "oops\n", 3)
        assert (outcome.timed_out, outcome.killed_by) == (False, None)

    async def test_a_traceback_shows_the_programs_lines_alone(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run("def half(n):\n    return n / 0\nhalf(1)")
        assert outcome.exit_code == 1
        assert outcome.stderr == (
            'Traceback (most recent call last):\n  File "program.py", line 3, in <module>\n    half(1)\n'
            '  File "program.py", line 2, in half\n    return n / 0\n           ~~^~~\n'
            "ZeroDivisionError: division by zero\n"
        )

    @pytest.mark.parametrize(
        ("program", "status", "out", "err"),
        [
            ("import sys; sys.exit('no')", 1, "", "no\n"),
            ("import sys; sys.exit()", 0, "", ""),
            ("import atexit; atexit.register(print, 'bye'); print('hi')", 0, "hi\nbye\n", ""),
            (
                "import threading, time\nthreading.Thread(target=lambda: print('later')).start()",
                0,
                "later\n",
                "",
            ),
            ("import os; print('kept', end=''); os._exit(7)", 7, "", ""),
            ("print(__name__, __import__('sys').argv)", 0, "__main__ ['program.py']\n", ""),
            (
                "class A: pass\nimport pickle; print(type(pickle.loads(pickle.dumps(A()))).__name__)",
                0,
                "A\n",
                "",
            ),
            ("import asyncio\nasync def f(): print('async')\nasyncio.run(f())", 0, "async\n", ""),
            ("import sys; sys.stdout.buffer.write(b'\\xff')", 0, "\ufffd", ""),
            ("print('\\udcff', len(__import__('sys').stdin.read()))", 0, "\ufffd 0\n", ""),
        ],
    )
    async def test_ends_as_an_interpreter_does(
        self, level: IsolationLevel, program: str, status: int, out: str, err: str
    ) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program)
        assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (status, out, err)

    UNSPEAKABLE = (
        "class E:\n    def __str__(self): raise ValueError\nraise SystemExit(E())",
        "class E:\n    def __str__(self): raise SystemExit(0)\nraise SystemExit(E())",
        "class E(SystemExit):\n    code = property(lambda self: 1 / 0)\nraise E",
        "class E(SystemExit):\n    def __getattribute__(self, name): raise KeyboardInterrupt\nraise E",
        "class E:\n    __class__ = property(lambda self: 1 / 0)\nraise SystemExit(E())",
        "class E(Exception):\n    __str__ = __repr__ = lambda self: 1 / 0\nraise E",
        "class E(BaseException):\n    def __getattribute__(self, name): raise SystemExit(0)\nraise E",
        "class E(SyntaxError):\n    lineno = property(lambda self: 1 / 0)\nraise E",
        "class E(Exception):\n    with_traceback = lambda *_: 3\n    __cause__ = __notes__ = 3\nraise E",
        "import traceback\ntraceback.print_exception = lambda _: 1 / 0\nraise ValueError",
        "import sys\nclass E:\n    def write(self, text): raise SystemExit(0)\nsys.stderr = E()\nraise ValueError",
        "import sys\nclass E(Exception):\n    __getattribute__ = lambda *_: 1 / 0\n"
        "def f(*_): raise E\nsys.excepthook = f\nraise E",
    )

    @pytest.mark.parametrize("program", UNSPEAKABLE)
    async def test_an_exception_that_cant_be_told_is_still_the_programs(
        self, level: IsolationLevel, program: str
    ) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program)
        assert (outcome.exit_code, outcome.killed_by, outcome.stdout) == (1, None, "")
        assert not {"inside", "_execute", "_status", "_show", "_finish"} & set(
            re.findall(r"\w+", outcome.stderr)
        )

    @pytest.mark.parametrize(
        ("program", "status"),
        [
            ("class I(int):\n    __and__ = __int__ = lambda *_: 'x'\nraise SystemExit(I(3))", 3),
            ("import sys\nsys.stdout = sys.stderr = None", 0),
            ("import sys\nsys.stderr = None\nraise ValueError", 1),
        ],
    )
    async def test_a_status_is_the_interpreters(
        self, level: IsolationLevel, program: str, status: int
    ) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program)
        assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (status, "", "")

    async def test_what_was_printed_before_a_time_out_is_kept(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run("print('begun')\nwhile True: pass", limits=Limits(wall_s=0.3))
        assert (outcome.stdout, outcome.timed_out, outcome.exit_code) == ("begun\n", True, 137)

    async def test_output_is_cut_at_its_limit(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run("while True: print('x' * 99)", limits=Limits(output_bytes=1000))
        assert (len(outcome.stdout), outcome.killed_by) == (1000, "output")

    async def test_where_there_is_room_for_no_output(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            quiet = await box.run("", limits=Limits(output_bytes=0))
            judged = await box.run("", judge="import os\nos.write(4, b'x')", limits=Limits(output_bytes=0))
        assert (quiet.exit_code, quiet.stdout, quiet.killed_by) == (0, "", None)
        assert judged.report == b""

    async def test_a_large_input_that_nobody_reads(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            assert (await box.run("print('done')", "x" * 20_000_000)).stdout == "done\n"
            assert (await box.run("print(len(input()))", "x" * 20_000_000)).stdout == "20000000\n"

    async def test_sets_have_the_same_order_each_time(self, level: IsolationLevel) -> None:
        async with Sandbox(2, levels=(level,)) as box:
            program = "print({str(n) for n in range(50)})"
            runs = await asyncio.gather(*(box.run(program) for _ in range(6)))
        assert len({run.stdout for run in runs}) == 1

    async def test_random_numbers_differ(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            runs = [await box.run("import random; print(random.random())") for _ in range(3)]
        assert len({run.stdout for run in runs}) == 3


_LISTED = """
import os, sys
prefixes = (sys.prefix, sys.base_prefix)  # the interpreter may lie in /tmp, which /dev/shm is too
ours = {prefix.split("/")[2] for prefix in prefixes if prefix.startswith("/tmp/")}
def listed(folder):
    return [name for name in os.listdir(folder) if name not in ours]
"""


class TestBetweenRuns:
    async def test_no_run_sees_an_earlier_ones_memory(self, level: IsolationLevel) -> None:
        leave = (
            "import builtins, sys, math, os\n"
            "builtins.secret = math.secret = sys.secret = os.environ['S'] = 'secret'"
        )
        look = (
            "import builtins, sys, math, os\n"
            "print([hasattr(m, 'secret') for m in (builtins, sys, math)], os.environ.get('S'))"
        )
        async with Sandbox(1, levels=(level,)) as box:
            assert (await box.run(leave)).exit_code == 0
            assert (await box.run(look)).stdout == "[False, False, False] None\n"

    async def test_no_run_sees_an_earlier_ones_files(self) -> None:
        leave = "import os\nfor place in ('/tmp/secret', '/dev/shm/secret', 'secret'): open(place, 'w').write('x')"
        look = f"{_LISTED}\nprint(listed('/tmp'), listed('/dev/shm'), listed('.'))"
        async with Sandbox(1, levels=(level_named("bubblewrap"),)) as box:
            assert (await box.run(leave)).exit_code == 0
            assert (await box.run(look)).stdout == "[] [] []\n"

    async def test_runs_at_once_see_nothing_of_each_other(self) -> None:
        program = f"""{_LISTED}
import time
open(f'/tmp/{{input()}}', 'w')
time.sleep(0.3)
print(listed('/tmp'))
"""
        async with Sandbox(2, levels=(level_named("bubblewrap"),)) as box:
            runs = await asyncio.gather(box.run(program, "a"), box.run(program, "b"))
        assert sorted(run.stdout for run in runs) == ["['a']\n", "['b']\n"]

    async def test_more_runs_than_slots_wait(self, level: IsolationLevel) -> None:
        async with Sandbox(2, levels=(level,)) as box:
            runs = await asyncio.gather(*(box.run(f"print({number})") for number in range(20)))
        assert [run.stdout for run in runs] == [f"{number}\n" for number in range(20)]


class TestEnds:
    async def test_a_cancelled_run_is_gone(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            await box.run("")
            rest = await at_rest()
            task = asyncio.create_task(box.run("import time; time.sleep(1000)"))
            await until(lambda: len(children()) > rest)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: len(children()) <= rest)
            assert (await box.run("print('next')")).stdout == "next\n"

    async def test_a_slot_that_broke_is_replaced(self, level: IsolationLevel) -> None:
        others = children()  # an engine that tests share, or what starts commands for them
        async with Sandbox(1, levels=(level,)) as box:
            await box.run("")
            rest = await at_rest()
            task = asyncio.create_task(box.run("import time; time.sleep(1000)", limits=Limits(wall_s=5)))
            await until(lambda: len(children()) > rest)
            broken = children() - others
            for number in (
                signal.SIGSTOP,
                signal.SIGKILL,
            ):  # else one may tell of another's end before its own
                for pid in broken:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            with pytest.raises(SandboxUnavailable):
                await task
            assert (await box.run("print('next')")).stdout == "next\n"

    async def test_nothing_is_left_when_it_is_closed(self, level: IsolationLevel) -> None:
        before = children()
        async with Sandbox(2, levels=(level,)) as box:
            await asyncio.gather(*(box.run("") for _ in range(4)))
            assert children() - before
        await until(lambda: not children() - before)


class TestJudge:
    async def test_talks_to_the_program_and_reports(self, level: IsolationLevel) -> None:
        program = "import os\nwhile word := os.read(3, 100): os.write(3, word.upper())"
        judge = "import os\nos.write(3, b'abc')\nos.write(4, os.read(3, 100) + b'!')"
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, judge=judge)
        assert outcome.report == b"ABC!"

    async def test_the_program_can_neither_report_nor_reach_the_judge(self, level: IsolationLevel) -> None:
        program = """
import os
for fd in range(4, 64):
    try:
        os.write(fd, b"forged")
    except OSError:
        pass
for pid in range(1, 10):
    try:
        os.kill(pid, 19)
    except OSError:
        pass
os.write(3, b"done")
"""
        judge = "import os\nos.read(3, 100)\nos.write(4, b'real')"
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, judge=judge, limits=Limits(wall_s=2))
        assert outcome.report in (b"real", b"")  # it may have stopped its judge, which is no forgery
        assert b"forged" not in outcome.report

    async def test_imports_nothing_that_the_program_wrote(self) -> None:
        program = "import os\nopen('/tmp/colorsys.py', 'w').write('forged = 1')\nos.write(3, b'done')"
        judge = "import os\nos.read(3, 100)\nimport colorsys\nos.write(4, str(hasattr(colorsys, 'forged')).encode())"
        async with Sandbox(1, levels=(level_named("bubblewrap"),)) as box:
            outcome = await box.run(program, judge=judge)
        assert outcome.report == b"False"

    async def test_hears_that_the_program_is_gone(self, level: IsolationLevel) -> None:
        judge = "import os\nos.write(4, repr(os.read(3, 100)).encode())"
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run("import os; os._exit(0)", judge=judge)
        assert outcome.report == b"b''"

    TELLTALE = "import os\nif not os.read(3, 100): os.write(4, b'it left')"

    @pytest.mark.parametrize(
        ("program", "limits", "killed_by"),
        [
            ("while True: pass", Limits(wall_s=0.3), "wall"),
            ("while True: pass", Limits(cpu_s=0.2), "cpu"),
            ("while True: print('flood')", Limits(output_bytes=1000), "output"),
            (
                "import threading, time\n"
                "for _ in range(9): threading.Thread(target=time.sleep, args=(9,)).start()",
                Limits(processes=6),
                "processes",
            ),
        ],
    )
    async def test_says_nothing_of_a_program_that_reached_a_limit(
        self, level: IsolationLevel, program: str, limits: Limits, killed_by: str
    ) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, judge=self.TELLTALE, limits=limits)
        assert (outcome.report, outcome.killed_by) == (b"", killed_by)

    @pytest.mark.parametrize(
        ("program", "exit_code", "killed_by"),
        [
            ("", 0, None),
            ("import os; os._exit(3)", 3, None),
            ("import ctypes; ctypes.string_at(8)", 139, "SIGSEGV"),
            ("import os; os.kill(os.getpid(), 9)", 137, "SIGKILL"),
            ("import os; os.kill(os.getpid(), 40)", 168, "signal 40"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", 152, "cpu"),
            ("raise MemoryError", 1, "memory"),
        ],
    )
    async def test_hears_of_an_end_once_it_is_known(
        self, level: IsolationLevel, program: str, exit_code: int, killed_by: str | None
    ) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, judge=self.TELLTALE)
        assert (outcome.report, outcome.exit_code, outcome.killed_by) == (b"it left", exit_code, killed_by)

    async def test_memory_is_told_whoever_ends_it(self, level: IsolationLevel) -> None:
        program = "kept = []\nwhile True: kept.append(b'x' * 100_000)"
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run(program, judge=self.TELLTALE, limits=Limits(memory_bytes=96 << 20))
        assert outcome.killed_by == "memory"  # by us, or by the kernel, which says nothing and may be faster

    async def test_what_is_left_ends_with_its_judge(self, level: IsolationLevel) -> None:
        async with Sandbox(1, levels=(level,)) as box:
            outcome = await box.run("import time; time.sleep(1000)", judge="")
        assert outcome.killed_by == "judge"


def test_runs_on_uvloop(level: IsolationLevel) -> None:
    async def run() -> str:
        async with Sandbox(2, levels=(level,)) as box:
            runs = await asyncio.gather(*(box.run("print(input())", f"{number}\n") for number in range(6)))
        return "".join(run.stdout for run in runs)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == "0\n1\n2\n3\n4\n5\n"


async def test_where_nothing_works_it_says_why() -> None:
    def broken(_: int) -> SlotLaunch:
        raise SandboxUnavailable("it isn't installed", hint="apt install it")

    async with Sandbox(
        1, levels=(IsolationLevel("good", "all", broken), IsolationLevel("bad", "less", broken))
    ) as box:
        with pytest.raises(SandboxUnavailable, match=r"good: it isn't installed .*; bad: it isn't installed"):
            await box.run("print(1)")


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 -- of other processes
            await asyncio.sleep(0.01)


async def at_rest() -> int:
    """Processes of a box that has nothing to do: how many there are once that no longer changes."""
    seen = [0]
    while len(seen) < 5 or len(set(seen[-5:])) > 1:
        seen.append(len(children()))
        await asyncio.sleep(0.02)
    return seen[-1]
