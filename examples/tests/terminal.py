"""A program at a terminal of its own: what it prints can be waited for, keys can be pressed, ^C among them."""
import os
import pty
import re
import select
import signal
import termios
import time

INTERRUPT, END_OF_INPUT = "\x03", "\x04"
SIZE = (40, 160)  # lines, columns


class Terminal:
    """`expect` looks only at what came after the last match."""

    def __init__(self, command, cwd, env, size=SIZE):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(command[0], command, env)
            finally:
                os._exit(127)
        termios.tcsetwinsize(self.master, size)
        self.seen, self.at, self.code = "", 0, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
        os.close(self.master)

    def expect(self, pattern, seconds=300):
        end = time.monotonic() + seconds
        while not (match := re.compile(pattern).search(self.seen, self.at)):
            if not self._more(end - time.monotonic()):
                raise AssertionError(f"`{pattern}` never appeared; the terminal showed:\n{self.seen[-3000:]}")
        self.at = match.end()
        return match

    def press(self, keys):
        os.write(self.master, keys.encode())

    def wait(self, seconds=60):
        """The exit code; a signal that ended the program is negative."""
        end = time.monotonic() + seconds
        while self._more(end - time.monotonic()):
            pass
        if time.monotonic() >= end:
            raise AssertionError(f"it did not end in {seconds} s; the terminal showed:\n{self.seen[-3000:]}")
        return self._reap()

    def _more(self, seconds):
        """Read what there is; false at the end of the output or of the time."""
        if seconds <= 0 or not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            block = os.read(self.master, 65536)
        except OSError:  # Linux says EIO when the last program has closed the terminal
            return False
        self.seen += block.decode(errors="replace")
        return bool(block)

    def _reap(self):
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code
