"""Numbers of the system calls that are refused, by machine. From Linux 6.1's unistd_64.h and asm-generic/unistd.h."""

from .libc import MACHINE

KNOWN_UP_TO = 450
"""The last call of Linux 6.1; later ones weren't reviewed, and get ENOSYS."""

_TABLE = """
socket 41 198; connect 42 203; bind 49 200; listen 50 201; accept 43 202; accept4 288 242; socketpair 53 199
ptrace 101 117; process_vm_readv 310 270; process_vm_writev 311 271; process_madvise 440 440
process_mrelease 448 448; kcmp 312 272; pidfd_getfd 438 438; kill 62 129; tkill 200 130; tgkill 234 131
rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; pidfd_send_signal 424 424
mount 165 40; umount2 166 39; mount_setattr 442 442; open_tree 428 428; move_mount 429 429; fsopen 430 430
fsconfig 431 431; fsmount 432 432; fspick 433 433; pivot_root 155 41; chroot 161 51; unshare 272 97; setns 308 268
clone 56 220; clone3 435 435; fork 57 -; vfork 58 -
bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; keyctl 250 219; add_key 248 217; request_key 249 218
io_uring_setup 425 425; io_uring_enter 426 426; io_uring_register 427 427; seccomp 317 277
kexec_load 246 104; kexec_file_load 320 294; init_module 175 105; finit_module 313 273; delete_module 176 106
reboot 169 142; swapon 167 224; swapoff 168 225; acct 163 89; quotactl 179 60; quotactl_fd 443 443
sethostname 170 161; setdomainname 171 162; settimeofday 164 170; clock_settime 227 112; clock_adjtime 305 266
adjtimex 159 171; iopl 172 -; ioperm 173 -; modify_ldt 154 -; personality 135 92; syslog 103 116; vhangup 153 58
lookup_dcookie 212 18; uselib 134 -; ustat 136 -; sysfs 139 -; nfsservctl 180 42; _sysctl 156 -
fanotify_init 300 262; fanotify_mark 301 263; name_to_handle_at 303 264; open_by_handle_at 304 265
memfd_create 319 279; memfd_secret 447 447; shmget 29 194; shmat 30 196; shmctl 31 195; msgget 68 186
semget 64 190; mq_open 240 180; move_pages 279 239; migrate_pages 256 238; mbind 237 235; set_mempolicy 238 237
set_mempolicy_home_node 450 450; vmsplice 278 75
mmap 9 222; splice 275 76; tee 276 77; sendfile 40 71; setsockopt 54 208
setpriority 141 140; ioprio_set 251 30; sched_setattr 314 274; sched_setscheduler 144 119; sched_setparam 142 118
sched_setaffinity 203 122; prlimit64 302 261; ioctl 16 29; prctl 157 167; fcntl 72 25
chmod 90 -; fchmod 91 52; fchmodat 268 53; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54
utime 132 -; utimes 235 -; futimesat 261 -; utimensat 280 88; truncate 76 45
setxattr 188 5; lsetxattr 189 6; fsetxattr 190 7; removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16
inotify_init 253 -; inotify_init1 294 26
landlock_create_ruleset 444 444; landlock_add_rule 445 445; landlock_restrict_self 446 446; capset 126 91
"""


def _numbers() -> dict[str, int]:
    column = {"x86_64": 1, "aarch64": 2}.get(MACHINE)
    if column is None:
        return {}
    rows = (row.split() for row in _TABLE.replace("\n", ";").split(";") if row.strip())
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


NUMBERS = _numbers()
"""Call -> its number on this machine; empty on a machine without a column."""
