"""Layer: seccomp. Only the system calls that decoding, encoding and our own loop need; everything else fails or kills.

What is not listed at all answers ENOSYS, so that a C library newer than this list falls back to what is. What codecs or
Python may try in good faith answers EPERM. What nobody tries in good faith ends the process with SIGSYS.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from typing import Any

from tintype.worker.sandbox import bpf
from tintype.worker.sandbox.descriptors import anonymous_file
from tintype.worker.sandbox.layer import LayerMissing


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ALLOWED = _words(
    # memory
    "brk mmap mmap2 mprotect mremap munmap madvise mincore mlock munlock membarrier msync mseal "
    # descriptors that are open, and files that Landlock lets us open
    "access faccessat faccessat2 close close_range dup dup2 dup3 fadvise64 fstat fstat64 fstatat64 fstatfs "
    "ftruncate getcwd getdents getdents64 lseek _llseek lstat lstat64 memfd_create newfstatat open openat pipe2 pread64 preadv "
    "pwrite64 pwritev read readlink readlinkat readv stat stat64 statfs statx write writev "
    # waiting and the one socket
    "epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 poll ppoll pselect6 recvmsg select sendmsg "
    # threads, time, signals to ourselves
    "clock_getres clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 exit exit_group futex futex_time64 "
    "futex_waitv get_robust_list getcpu getitimer gettimeofday nanosleep restart_syscall rseq rt_sigaction rt_sigpending "
    "rt_sigprocmask rt_sigreturn rt_sigtimedwait sched_get_priority_max sched_get_priority_min sched_getaffinity "
    "sched_getattr sched_getparam sched_getscheduler sched_yield set_robust_list set_tid_address setitimer sigaltstack time "
    "times "
    # who and where we are; limits; randomness
    "arch_prctl get_mempolicy getegid geteuid getgid getpgrp getpid getppid getpriority getrandom getresgid getresuid "
    "getrlimit getrusage getsid gettid getuid riscv_flush_icache set_thread_area setrlimit sysinfo ugetrlimit umask uname "
)

# Only a zygote, and partly for what its children must still do to themselves: more of this sandbox, on top of this filter.
_ZYGOTE = _words(
    "clone landlock_add_rule landlock_create_ruleset landlock_restrict_self pidfd_open prctl prlimit64 seccomp tgkill wait4 "
    "waitid"
)

_REFUSED = _words(
    "accept accept4 bind chdir chmod chown connect creat fchdir fchmod fchmodat fchown fchownat fork getpeername getsockname "
    "getsockopt kill lchown link linkat listen mkdir mkdirat mknod mknodat mq_open msgget pidfd_open "
    "pidfd_send_signal pipe recvfrom recvmmsg rename renameat renameat2 rmdir sched_setaffinity "
    "sched_setattr sched_setparam sched_setscheduler semget sendmmsg sendto setfsgid setfsuid setgid setgroups setpgid "
    "setpriority setregid setresgid setresuid setreuid setsid setsockopt setuid shmget shutdown signalfd4 socket "
    "socketpair symlink symlinkat tkill truncate unlink unlinkat utimensat vfork wait4 waitid"
)

_KILLED = _words(
    "acct add_key bpf chroot delete_module execve execveat fanotify_init finit_module fsconfig fsmount fsopen init_module "
    "io_uring_enter io_uring_register io_uring_setup iopl kcmp kexec_file_load kexec_load keyctl memfd_secret mount "
    "mount_setattr move_mount name_to_handle_at open_by_handle_at open_tree perf_event_open personality pidfd_getfd "
    "pivot_root process_madvise process_mrelease process_vm_readv process_vm_writev ptrace quotactl reboot request_key setns "
    "swapoff swapon umount umount2 unshare userfaultfd"
)

_CLONE_THREAD = 0x10000
_IOCTLS = (
    0x5401,
    0x5421,
    0x5450,
    0x5451,
    0x541B,
)  # TCGETS, FIONBIO, FIONCLEX, FIOCLEX, FIONREAD: asked about any descriptor
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS; and F_SETFL, but for O_ASYNC.
_FCNTLS = (0, 1, 2, 3, 1030, 1033, 1034)
_SETFL, _ASYNC = 4, 0o20000
# F_SETOWN, F_SETSIG, F_SETOWN_EX: with them a pipe of our own sends any signal to any process of the same user.
_FCNTLS_KILLED = (8, 10, 15)
# PR_GET_DUMPABLE; PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and of the allocator's memory.
_PRCTLS = (3, 15, 16, 0x53564D41)


# Stands for the number of the process that a filter is for, until that is known. No argument we look at has such a value.
_OWN = 0x7E57AB1E


def compiled(*, zygote: bool) -> bytes:
    """Return the filter as the kernel takes it, but for the process that it is for. Takes libseccomp milliseconds.

    Raises:
        LayerMissing: no libseccomp, or not Linux.
    """
    library = _library()
    rules = library.SyscallFilter(library.ERRNO(errno.ENOSYS))
    rules.set_attr(library.Attr.ACT_BADARCH, library.KILL_PROCESS)
    rules.set_attr(library.Attr.CTL_OPTIMIZE, 2)  # a binary tree instead of a list of comparisons
    _add(library, rules, library.KILL_PROCESS, _KILLED)
    _add(library, rules, library.ALLOW, (*_ALLOWED, *(_ZYGOTE if zygote else ())))
    refused = set(_REFUSED) - (set(_ZYGOTE) if zygote else set())
    _add(library, rules, library.ERRNO(errno.EPERM), sorted(refused))
    _add_ioctls(library, rules)
    for name in ("fcntl", "fcntl64"):
        _add_fcntls(library, rules, name)
    if not zygote:
        _add_own(library, rules)
    with os.fdopen(anonymous_file("filter"), "w+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def load(program: bytes) -> tuple[str, ...]:
    """Load a compiled filter for this process, all its threads and its children.

    Raises:
        LayerMissing: a kernel without seccomp.
    """
    library = _library()
    bpf.load(library.resolve_syscall(library.Arch.NATIVE, "seccomp"), bpf.filled(program, _OWN, os.getpid()))
    return ()


def prepare() -> None:
    """Find libseccomp while the file system can still be searched, which takes a look at ldconfig's list."""
    with contextlib.suppress(LayerMissing):
        _library()


def _library() -> Any:
    """Import libseccomp's binding, late: it raises where the library is not installed."""
    if sys.platform != "linux":
        raise LayerMissing("Linux only")
    try:
        import pyseccomp  # noqa: PLC0415
    except (ImportError, RuntimeError, OSError) as error:
        raise LayerMissing(f"needs libseccomp (package libseccomp2 or libseccomp): {error}") from error
    return pyseccomp


def _add(library: Any, rules: Any, action: int, names: Iterable[str]) -> None:
    """Add what this architecture and this libseccomp know; what they do not know falls under the default."""
    for name in names:
        number = library.resolve_syscall(library.Arch.NATIVE, name)
        if number >= 0:
            rules.add_rule(action, number)


def _add_ioctls(library: Any, rules: Any) -> None:
    for request in _IOCTLS:
        rules.add_rule(library.ALLOW, "ioctl", library.Arg(1, library.EQ, request))


def _add_fcntls(library: Any, rules: Any, name: str) -> None:
    """Allow what is about the descriptor itself. Signals by way of its owner would pass where Landlock has no scopes."""
    if library.resolve_syscall(library.Arch.NATIVE, name) < 0:
        return
    for command in _FCNTLS:
        rules.add_rule(library.ALLOW, name, library.Arg(1, library.EQ, command))
    for command in _FCNTLS_KILLED:
        rules.add_rule(library.KILL_PROCESS, name, library.Arg(1, library.EQ, command))
    setting = library.Arg(1, library.EQ, _SETFL)
    rules.add_rule(library.ALLOW, name, setting, library.Arg(2, library.MASKED_EQ, _ASYNC, 0))
    refuse = library.ERRNO(errno.EPERM)
    rules.add_rule(refuse, name, setting, library.Arg(2, library.MASKED_EQ, _ASYNC, _ASYNC))


def _add_own(library: Any, rules: Any) -> None:
    """Allow calls that are fine with some arguments only: threads but no processes, signals and limits of our own alone."""
    refuse = library.ERRNO(errno.EPERM)
    rules.add_rule(library.ALLOW, "clone", library.Arg(0, library.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    rules.add_rule(refuse, "clone", library.Arg(0, library.MASKED_EQ, _CLONE_THREAD, 0))
    for name, own in (("tgkill", _OWN), ("prlimit64", 0)):
        rules.add_rule(library.ALLOW, name, library.Arg(0, library.EQ, own))
        rules.add_rule(refuse, name, library.Arg(0, library.NE, own))
    for option in _PRCTLS:
        rules.add_rule(library.ALLOW, "prctl", library.Arg(0, library.EQ, option))
