"""A seccomp filter for the sandbox: no new namespaces, no mounts, no looking into others."""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from its_agent.errors import MissingExtra

_LOAD, _AND, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NEW_NAMESPACES = 0x7E020080
"""The CLONE_NEW… flags together."""
_X32 = 0x40000000
_SHARED = (425, 428, 429, 430, 431, 432, 442)
"""io_uring_setup, open_tree, move_mount, fsopen, fsconfig, fsmount and mount_setattr: the same
numbers everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    audit: int
    clone: int
    clone3: int
    forbidden: tuple[int, ...]
    """unshare, setns, mount, umount2, pivot_root, chroot, ptrace, process_vm_readv and _writev,
    add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd, open_by_handle_at."""


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        audit=0xC000003E,
        clone=56,
        clone3=435,
        forbidden=(
            *(272, 308, 165, 166, 155, 161, 101, 310),
            *(311, 248, 249, 250, 321, 298, 323, 304),
        ),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        clone=220,
        clone3=435,
        forbidden=(
            *(97, 268, 40, 39, 41, 51, 117, 270),
            *(271, 217, 218, 219, 280, 241, 282, 265),
        ),
    ),
}


def filter_program(machine: str | None = None) -> bytes:
    """The filter as classic BPF. Raises MissingExtra for a machine whose system calls are not known
    here."""
    name = machine or platform.machine()
    if name not in _MACHINES:
        raise MissingExtra(
            f"code cannot be run safely on {name}; known machines: {', '.join(_MACHINES)}"
        )
    known = _MACHINES[name]
    refused = [_step(_JUMP_IF_EQUAL, number, 0, 1) for number in (*known.forbidden, *_SHARED)]
    return b"".join(
        [
            _step(_LOAD, _ARCHITECTURE),
            _step(_JUMP_IF_EQUAL, known.audit, 1, 0),
            _step(_RETURN, _KILL),
            _step(_LOAD, _NUMBER),
            _step(_JUMP_IF_AT_LEAST, _X32, 0, 1),
            _step(_RETURN, _KILL),
            *_each_followed_by(refused, _step(_RETURN, _ERROR | errno.EPERM)),
            # The C library falls back to clone, whose flags a filter can read.
            _step(_JUMP_IF_EQUAL, known.clone3, 0, 1),
            _step(_RETURN, _ERROR | errno.ENOSYS),
            _step(_JUMP_IF_EQUAL, known.clone, 0, 4),
            _step(_LOAD, _FIRST_ARGUMENT),
            _step(_AND, _NEW_NAMESPACES),
            _step(_JUMP_IF_EQUAL, 0, 1, 0),
            _step(_RETURN, _ERROR | errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
    )


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _each_followed_by(steps: Sequence[bytes], then: bytes) -> list[bytes]:
    return [step for one in steps for step in (one, then)]
