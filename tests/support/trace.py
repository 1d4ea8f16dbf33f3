"""Runs a program, and notes what it does to the files below a folder: trace.py NOTES FOLDER PROGRAM [ARGUMENT...].

Every change, every sync and every word on stdout is a line of JSON in NOTES, in the order in which they happened. A file
is noted with all that it holds after the change. It is what strace does, without strace."""

import ctypes
import json
import os
import platform
import signal
import sys

TRACEME, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
SYSGOOD, EXITKILL = 1, 0x100000

# Number: name, in the kernel's tables.
CALLS = {
    "x86_64": {
        1: "write", 2: "open", 18: "write", 20: "write", 40: "write", 74: "sync", 75: "sync", 76: "truncate", 77: "write",
        82: "rename", 83: "mkdir", 84: "rmdir", 85: "creat", 87: "unlink", 257: "openat", 258: "mkdirat", 263: "unlinkat",
        264: "renameat", 285: "write", 296: "write", 316: "renameat", 326: "copy", 437: "openat",
        86: "link", 88: "link", 265: "link", 266: "link", 162: "syncs", 306: "syncs",
    },
    "aarch64": {
        64: "write", 66: "write", 68: "write", 70: "write", 71: "write", 82: "sync", 83: "sync", 45: "truncate", 46: "write",
        56: "openat", 34: "mkdirat", 35: "unlinkat", 38: "renameat", 276: "renameat", 47: "write", 285: "copy",
        437: "openat", 36: "link", 37: "link", 81: "syncs", 267: "syncs",
    },
}[platform.machine()]

CREATE, TRUNCATE, REMOVE_FOLDER, HERE = 0o100, 0o1000, 0x200, -100


class Info(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("nr", ctypes.c_uint64),
        ("args", ctypes.c_uint64 * 6),
        ("more", ctypes.c_uint64 * 4),
    ]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    result = libc.ptrace(request, pid, address, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Tracer:
    def __init__(self, pid, notes, folder):
        self.pid, self.notes, self.folder = pid, notes, os.path.realpath(folder)
        self.entered = None

    def note(self, **what):
        print(json.dumps(what), file=self.notes, flush=True)

    def text(self, address):
        with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
            memory.seek(address)
            found = b""
            while b"\0" not in found:
                found += memory.read(256 - address % 256)
                address += 256 - address % 256
        return os.fsdecode(found.split(b"\0")[0])

    def of(self, fd):
        return os.readlink(f"/proc/{self.pid}/fd/{fd}").removesuffix(" (deleted)")

    def path(self, fd, address):
        fd = ctypes.c_int32(fd & 0xFFFFFFFF).value
        name = self.text(address)
        base = os.readlink(f"/proc/{self.pid}/cwd") if fd == HERE else None
        if not name.startswith("/"):
            name = os.path.join(base or self.of(fd), name)
        # The folder of the name may be a link; the name itself is not followed.
        above, name = os.path.split(os.path.normpath(name))
        return os.path.join(os.path.realpath(above), name)

    def inside(self, path):
        return path == self.folder or path.startswith(self.folder + "/")

    def data(self, path):
        if self.inside(path) and os.path.isfile(path):
            with open(path, "rb") as file:
                self.note(call="data", path=path, data=file.read().hex())

    def enter(self, name, args):
        if name == "open":
            return name, self.path(HERE, args[0]), args[1]
        if name == "creat":
            return "open", self.path(HERE, args[0]), CREATE | TRUNCATE
        if name == "openat":
            return "open", self.path(args[0], args[1]), args[2]
        if name in ("mkdir", "rmdir", "unlink"):
            return name, self.path(HERE, args[0]), None
        if name == "mkdirat":
            return "mkdir", self.path(args[0], args[1]), None
        if name == "unlinkat":
            return "rmdir" if args[2] & REMOVE_FOLDER else "unlink", self.path(args[0], args[1]), None
        if name == "rename":
            return name, self.path(HERE, args[0]), self.path(HERE, args[1])
        if name == "renameat":
            return "rename", self.path(args[0], args[1]), self.path(args[2], args[3])
        if name == "write":
            words = None
            if args[0] == 1:
                with open(f"/proc/{self.pid}/mem", "rb", 0) as memory:
                    memory.seek(args[1])
                    words = memory.read(args[2])
            return name, args[0], words
        if name == "copy":
            return "write", args[2], None
        if name == "sync":
            return name, self.of(args[0]), None
        return name, None, None

    def leave(self, entered, result):
        name, what, more = entered
        if name == "open":
            if not self.inside(what) or not more & (CREATE | TRUNCATE):
                return
            if not self.existed:
                self.note(call="create", path=what)
            self.data(what)
        elif name in ("mkdir", "rmdir", "unlink", "sync"):
            if self.inside(what):
                self.note(call=name, path=what)
        elif name == "rename":
            if self.inside(what) or self.inside(more):
                self.note(call=name, path=what, to=more)
        elif name == "write":
            if what == 1 and more is not None:
                self.note(call="out", text=os.fsdecode(more[:result]))
            elif what > 2:
                self.data(self.of(what))
        else:
            raise SystemExit(f"the tracer does not know what {name} does")

    def stop(self):
        info = Info()
        ptrace(GET_SYSCALL_INFO, self.pid, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == 1:
            name = CALLS.get(info.nr)
            self.entered = name and self.enter(name, list(info.args))
            self.existed = name and self.entered[0] == "open" and os.path.lexists(self.entered[1])
        elif info.op == 2 and self.entered:
            result = ctypes.c_int64(info.nr).value
            if result >= 0:
                self.leave(self.entered, result)
            self.entered = None

    def run(self):
        os.waitpid(self.pid, 0)
        ptrace(SETOPTIONS, self.pid, None, SYSGOOD | EXITKILL)
        pass_on = 0
        while True:
            ptrace(SYSCALL, self.pid, None, pass_on)
            _, status = os.waitpid(self.pid, 0)
            pass_on = 0
            if os.WIFEXITED(status):
                return os.WEXITSTATUS(status)
            if os.WIFSIGNALED(status):
                return 128 + os.WTERMSIG(status)
            signaled = os.WSTOPSIG(status)
            if signaled == signal.SIGTRAP | 0x80:
                self.stop()
            elif signaled != signal.SIGTRAP:
                pass_on = signaled


def main():
    notes, folder, *command = sys.argv[1:]
    pid = os.fork()
    if pid == 0:
        ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.execv(command[0], command)
    # The program's words are its own: the pipes are not held open by this one.
    os.close(0)
    os.close(1)
    with open(notes, "w") as file:
        sys.exit(Tracer(pid, file, folder).run())


main()
