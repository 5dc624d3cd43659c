"""Programs that try to get out, and what it means that they didn't.

An *attempt* prints `reached` if what it tries works, and `refused` where the system says no. What has a `control` says
`reached` when it's run by a plain interpreter, which proves that the check can fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import indent

import msgspec

from perpend.sandbox import Limits, Outcome

ENOUGH = Limits(wall_s=5.0, cpu_s=5.0, memory_bytes=128 << 20, processes=32)
QUICK = Limits(
    wall_s=0.6, cpu_s=0.4, memory_bytes=128 << 20, processes=32, disk_bytes=8 << 20, output_bytes=10_000
)
UNHURRIED = msgspec.structs.replace(QUICK, wall_s=20.0, cpu_s=20.0)
"""For what time mustn't end, however busy the machine is."""

_LIBC = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""


@dataclass(frozen=True)
class Hostile:
    name: str
    program: str
    contained: Callable[[Outcome], bool]
    means: str
    control: bool = False
    x86: bool = False
    """It has numbers or code of that machine."""
    limits: Limits = ENOUGH


def _refused(outcome: Outcome) -> bool:
    return "refused" in outcome.stdout and "reached" not in outcome.stdout


def attempt(name: str, body: str, *, control: bool = False, x86: bool = False) -> Hostile:
    program = (
        f"try:\n{indent(body, '    ')}\n    print('reached')\n"
        "except BaseException as error:\n    print('refused', type(error).__name__, error)\n"
    )
    return Hostile(name, _LIBC + program, _refused, "the system refuses", control, x86)


def ends(name: str, program: str, *by: str | None) -> Hostile:
    """`by`: any of these ends it; None: it ends by itself, with what it was refused."""
    means = " or ".join(str(one) for one in by)
    limits = QUICK if "wall" in by else UNHURRIED
    return Hostile(name, program, lambda outcome: outcome.killed_by in by, f"ended by {means}", limits=limits)


def harmless(name: str, program: str) -> Hostile:
    """It may say that it worked: it reached nobody but itself."""
    return Hostile(
        name, program, lambda outcome: outcome.stdout.endswith("end\n"), "reaches nobody but itself"
    )


NETWORK = [
    attempt("a socket", "import socket; socket.socket()", control=True),
    attempt("a socket without the module", "call(41, 2, 1, 0)", control=True, x86=True),
    attempt("loopback", "import socket; socket.create_connection(('127.0.0.1', {port}))", control=True),
    attempt(
        "names",
        "import socket; socket.getaddrinfo('localhost', 80, socket.AF_INET, socket.SOCK_STREAM)[0]\n"
        "socket.gethostbyname('example.com')",
    ),
    attempt("a unix socket", "import socket; socket.socket(socket.AF_UNIX)", control=True),
    attempt("netlink", "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", control=True),
    attempt(
        "a pair that sends anywhere", "import socket; socket.socketpair(type=socket.SOCK_DGRAM)", control=True
    ),
    attempt("binding a pair", "import socket; socket.socketpair()[0].bind('\\0perpend-hostile')"),
    attempt("io_uring", "call(425, 8, ctypes.create_string_buffer(120))"),
    attempt(
        "a socket in a new interpreter",
        "import subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-c', 'import socket; socket.socket()'], capture_output=True)\n"
        "assert done.returncode == 0, done.stderr[-200:]",
        control=True,
    ),
    # the calls of 32-bit programs have other numbers
    Hostile(
        "a socket by int 0x80",
        """
import ctypes, mmap
code = bytes.fromhex("53b867010000bb02000000b901000000ba00000000cd805bc3")
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
page.write(code)
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print("reached" if run() >= 0 else "refused")
""",
        lambda outcome: outcome.killed_by in ("SIGSYS", "SIGSEGV") or _refused(outcome),
        "killed by the filter",
        x86=True,
    ),
]

FILES = [
    attempt("the users", "open('/etc/passwd').read()", control=True),
    attempt("their passwords", "open('/etc/shadow').read()"),
    attempt("root's home", "os.listdir('/root/.ssh')"),
    attempt("the checkout", "open('{checkout}/pyproject.toml').read()", control=True),
    attempt("a file that all may read", "open('{secret}').read()", control=True),
    attempt("a file that all may read, by a link", "os.symlink('{secret}', '/tmp/link')\nopen('/tmp/link').read()"),
    attempt("a file that all may read, by a hard link", "os.link('{secret}', '/tmp/hard')\nopen('/tmp/hard').read()"),
    attempt("a file of a known folder", "open('/tmp/../{secret}').read()", control=True),
    attempt("its own environment in /proc", "open('/proc/self/environ').read()", control=True),
    attempt("the environment of the first process", "open('/proc/1/environ').read()"),
    attempt("the memory of its parent", "open(f'/proc/{{os.getppid()}}/mem', 'rb+')"),
    attempt("kernel settings", "open('/proc/sys/kernel/core_pattern', 'r').read()", control=True),
    attempt("devices of the kernel", "os.listdir('/sys/class')", control=True),
    attempt("a disk", "[open(f'/dev/{{name}}', 'rb') for name in ('sda', 'vda', 'nvme0n1')]"),
    attempt("a disk by a node of its own",
            "import stat; os.mknod('/tmp/disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0))\nopen('/tmp/disk', 'rb')"),
    attempt("the terminal", "open('/dev/tty', 'w')"),
    attempt("memory", "open('/dev/mem', 'rb')"),
    attempt("writing into /", "open('/perpend-hostile', 'w')"),
    attempt("writing into /usr", "open('/usr/perpend-hostile', 'w')"),
    attempt("writing into /dev", "open('/dev/perpend-hostile', 'w')"),
    attempt("writing into /var/tmp", "open('/var/tmp/perpend-hostile', 'w')"),
    attempt("a .pyc in the library", "open(os.path.dirname(os.__file__) + '/__pycache__/perpend-hostile.pyc', 'w')"),
    attempt("a package for the next program",
            "import sysconfig; open(sysconfig.get_paths()['purelib'] + '/hostile.pth', 'w')"),
    attempt("opening the interpreter to write", "import sys; open(os.path.realpath(sys.executable), 'rb+')"),
    attempt("the mode of a library", "os.chmod(os.__file__, 0o777)"),
    attempt("files by their number", "call(304, -100, ctypes.create_string_buffer(24), 0)", x86=True),
    attempt("a secret in the environment",
            "assert 'PERPEND_HOSTILE_SECRET' in os.environ or 'PERPEND_HOSTILE_SECRET' in "
            "os.popen('env').read(), 'nothing there'", control=True),
    attempt("descriptors of others", """
import stat
own = [os.fstat(fd) for fd in range(3)]
def there(fd):
    try:
        return os.fstat(fd)
    except OSError:
        return None
found = [fd for fd in range(3, 1024) if there(fd)]
os.write(found[0], b'x')""".strip()),
    attempt("sockets that lie about in memory", """
import gc, socket
found = [one for one in gc.get_objects() if isinstance(one, socket.socket)]
frame = __import__('sys')._getframe()
while frame:
    found += [one for one in frame.f_locals.values() if isinstance(one, socket.socket)]
    frame = frame.f_back
found[0].send(b'ready')""".strip()),
]  # fmt: skip

KERNEL = [
    attempt("tracing", "call(101, 0, 0, 0, 0)", control=True, x86=True),
    attempt("tracing its parent", "call(101, 16, os.getppid(), 0, 0)", x86=True),
    attempt("reading memory of a process", """
data = ctypes.create_string_buffer(8)
vector = (ctypes.c_void_p * 2)(ctypes.addressof(data), 8)
call(310, os.getpid(), vector, ctypes.c_long(1), vector, ctypes.c_long(1), ctypes.c_long(0))""".strip(),
            control=True, x86=True),
    attempt("a user namespace", "call(272, 0x10000000)", x86=True),
    attempt("a mount namespace", "call(272, 0x00020000)", x86=True),
    attempt("a namespace by clone", "call(56, 0x10000011, 0, 0, 0, 0) or os._exit(0)", x86=True),
    attempt("a namespace by clone3", "call(435, (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)"),
    attempt("another's namespace", "call(308, os.pidfd_open(os.getppid()), 0x00020000)", x86=True),
    attempt("mounting", "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0, 'no'"),
    attempt("unmounting", "assert libc.umount2(b'/proc', 2) == 0, 'no'"),
    attempt("another root", "os.chroot('/usr')"),
    attempt("keys of the kernel", "call(250, 0, ctypes.c_long(-3), 1)", control=True, x86=True),
    attempt("programs for the kernel", "call(321, 5, ctypes.create_string_buffer(120), 120)", x86=True),
    attempt("counters of the processor", "call(298, ctypes.create_string_buffer(120), 0, -1, -1, 0)", x86=True),
    attempt("faults of its own making", "call(323, 1)", x86=True),
    attempt("memory that nobody counts", "os.memfd_create('hostile')", control=True),
    attempt("memory that outlives it", "call(31, call(29, 0, ctypes.c_long(4096), 0o1600), 0, 0)",
            control=True, x86=True),
    attempt("another personality", "call(135, 0x0040000)", control=True, x86=True),
    attempt("being root", "os.setuid(0)"),
    attempt("being in root's group", "os.setgroups([0])"),
    attempt("capabilities", """
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
call(125, header, data)
assert data[0] & ~4, 'none'""".strip(), x86=True),
    attempt("typing into its terminal", """
import errno, fcntl
try:
    fcntl.ioctl(0, 0x5412, b'x')
except OSError as error:
    assert error.errno != errno.EPERM, error""".strip(), control=True),
    attempt("limits of its parent", "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))"),
    attempt("higher limits", "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))"),
    attempt("a processor of its own", "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))", control=True),
    attempt("slowing its parent", "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)"),
    attempt("the clock", "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())"),
    attempt("the name of the machine", "import socket; socket.sethostname('hostile')"),
    attempt("the log of the kernel", "call(103, 3, ctypes.create_string_buffer(64), 64)", x86=True),
    attempt("a call of the future", "call(471, 0, 0, 0)", x86=True),
    harmless("killing its parent", "import os\ntry: os.kill(os.getppid(), 9)\nexcept OSError: pass\nprint('end')"),
    harmless("killing the first process", "import os\ntry: os.kill(1, 9)\nexcept OSError: pass\nprint('end')"),
    harmless("killing everybody", "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nprint('end')"),
    harmless("killing its parent's group",
             "import os\ngroup = os.getpgid(os.getppid())  # 0: one that can't be seen from here\n"
             "try: group and os.killpg(group, 15)\nexcept OSError: pass\nprint('end')"),
    harmless("killing by number",
             "import os\nfor pid in range(2, 40000):\n    if pid != os.getpid():\n"
             "        try: os.kill(pid, 9)\n        except OSError: pass\nprint('end')"),
    harmless("a signal by a pipe", """
import fcntl, os
ours, theirs = os.pipe()
try:
    fcntl.fcntl(ours, 8, os.getppid())
    fcntl.fcntl(ours, 10, 9)
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
    os.write(theirs, b"x")
except OSError:
    pass
print("end")
"""),
]  # fmt: skip

_REFUSED = ("processes", "memory", "cpu", "wall", None)

LIMITS = [
    ends("a fork bomb", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", *_REFUSED[:4]),
    ends("a polite fork bomb", "import os, time\nwhile os.fork() or True: time.sleep(0.001)", *_REFUSED),
    ends("a thread bomb", "import threading, time\nthreading.stack_size(1 << 16)\nwhile True:\n"
         "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", *_REFUSED),
    ends("a flood of zombies", "import os\nwhile True:\n    if os.fork() == 0: os._exit(0)", *_REFUSED),
    ends("memory, piece by piece", "kept = []\nwhile True: kept.append(bytes(100_000))", "memory"),
    ends("memory, at once", "bytearray(1 << 34)", "memory"),
    ends("memory that is mapped", "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 1 << 22))\n"
         "    kept[-1].write(b'x' * (1 << 22))", "memory", None),
    ends("memory of many", "import os\nfor _ in range(4): os.fork()\nkept = bytearray(b'x') * (40 << 20)\nimport time\n"
         "time.sleep(9)", "memory", None),
    ends("memory in a number", "x = 10 ** 8 ** 9", "memory", "cpu", "wall"),
    ends("one huge file", "with open('/tmp/huge', 'wb') as file:\n    while True: file.write(bytes(1 << 20))", None),
    ends("a huge empty file", "open('/tmp/sparse', 'wb').truncate(1 << 40)", None),
    ends("many large files", "for number in range(10_000): open(f'/tmp/{number}', 'wb').write(bytes(1 << 20))", None),
    ends("many small files", "for number in range(10**9): open(f'/tmp/{number}', 'wb')", None),
    ends("deep folders", "import os\nwhile True:\n    os.mkdir('d'); os.chdir('d')", None),
    ends("a flood on stdout", "while True: print('flood')", "output"),
    ends("a flood on stderr", "import sys\nwhile True: print('flood', file=sys.stderr)", "output"),
    ends("a loop", "while True: pass", "cpu", "wall"),
    ends("a loop in C", "import re; re.match('(a+)+$', 'a' * 60 + 'b')", "cpu", "wall"),
    ends("a loop of many", "import os\nos.fork(); os.fork()\nwhile True: pass", "cpu", "wall", None),
    ends("sleep", "import time; time.sleep(1e6)", "wall"),
    ends("deaf ears", "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
         "    except (OSError, ValueError): pass\nwhile True: pass", "cpu", "wall"),
    ends("a lingerer that is silent", "import os, time\nos.close(1); os.close(2); time.sleep(1e6)", "wall"),
    ends("stopping itself", "import os\nos.kill(os.getpid(), 19)", "wall"),
    ends("waiting for input", "import os\nours, theirs = os.pipe()\nos.read(ours, 1)", "wall"),
    ends("recursion", "def f(): f()\nf()", None),
    ends("recursion without a limit",
         "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(): f()\nf()", "memory", "SIGSEGV", "cpu", "wall"),
    ends("recursion in C", "import sys\nsys.setrecursionlimit(1 << 30)\nx = []\nfor _ in range(10**7): x = [x]\n"
         "repr(x)", "memory", "SIGSEGV", "cpu", "wall"),
    ends("a bad pointer", "import ctypes; ctypes.string_at(8)", "SIGSEGV"),
    ends("a source that breaks compilers", "(" * 200_000, "memory", "output", None),
    ends("a tracer that never returns",
         "import sys\ndef trace(*_):\n    while True: pass\nsys.settrace(trace)\ndef f(): pass\nf()", "cpu", "wall"),
    ends("a child that goes its own way", """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1e6)
    os._exit(0)
""", None),
    ends("children of children after its time", """
import os, time
try:
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
except OSError:
    pass
time.sleep(1e6)
""", "wall"),
    ends("an end that doesn't end", "import atexit\n@atexit.register\ndef f():\n    while True: pass", "cpu", "wall"),
    ends("a thread that doesn't end",
         "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()", "cpu", "wall"),
]  # fmt: skip

HOSTILE = [*NETWORK, *FILES, *KERNEL, *LIMITS]
