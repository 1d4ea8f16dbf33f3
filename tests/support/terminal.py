"""Runs a program on a terminal of so many columns and prints what it wrote there, as a JSON string.

Arguments: columns, then the program and its arguments. Its standard input gets a burst of records, then one
record a moment, so that there is time to look.
"""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time


def feed(stdin):
    for number in range(3000):
        stdin.write(b'{"id":%d}\n' % number)
        stdin.flush()
        if number % 1000 == 999:
            time.sleep(0.4)
    stdin.close()


def main():
    columns, command = int(sys.argv[1]), sys.argv[2:]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    threading.Thread(target=feed, args=[child.stdin], daemon=True).start()
    seen = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # a terminal whose other end is closed
            break
        if not block:
            break
        seen += block
    print(json.dumps({"code": child.wait(), "seen": seen.decode()}))


if __name__ == "__main__":
    main()
