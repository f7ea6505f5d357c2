#!/usr/bin/env python3
"""Print a loopback port that is free together with the one above it: swtpm's TCTI talks to both."""
import socket


def free_pair():
    for _ in range(200):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise OSError("no two neighbouring ports are free on 127.0.0.1")


if __name__ == "__main__":
    print(free_pair())
