"""The program that pytest-xdist starts for a worker that is forked: it hands over its standard streams, and ends when the worker does.

Run as a file, with the path of the socket at which `forking` listens and then what Python would have been started with: if nobody
listens there any more, it becomes that. It imports next to nothing, for it is in the way of every worker's beginning.
"""

import os
import socket
import sys


def main() -> None:
    """Knock, and wait."""
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.connect(sys.argv[1])
        except OSError:
            os.execv(sys.executable, [sys.executable, *sys.argv[2:]])  # noqa: S606  (Python itself)
        socket.send_fds(door, [b"k"], [0, 1, 2])
        # They are the worker's alone now: whoever reads them sees when it ends.
        os.close(0)
        os.close(1)
        while door.recv(1):
            pass


if __name__ == "__main__":
    main()
