"""Starts programs in processes that have TensorFlow already, whose import is most of the time of a short one.

They are forked from a server of `multiprocessing` that has only imported it: no session or thread is copied.
"""

import multiprocessing
import os
import runpy
import signal
import sys

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["graphkit", "tensorflow"])


class Process:
    """A running `python program argument`, with the methods of `subprocess.Popen`.

    Args:
      program: path of the program.
      argument: of the program.
      environment: all its environment variables.
      output: file to which it writes what it prints, errors too.
      folder: in which it runs; that of this process by default.
    """

    def __init__(self, program, argument, environment, output, folder="."):
        arguments = (str(program), argument, environment, str(output), str(folder))
        self.process = CONTEXT.Process(target=run, args=arguments)
        self.process.start()
        self.pid, self.terminate, self.kill = self.process.pid, self.process.terminate, self.process.kill

    def poll(self):
        return self.process.exitcode

    def wait(self, timeout=None):
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"still runs after {timeout} s"
        return self.process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)


def run(program, argument, environment, output, folder):
    """Runs a program in this process, as `python program argument` does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # As at a terminal: the server may have been started in the background, where SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
        stream.reconfigure(line_buffering=True)  # of a program that is killed, too
    sys.argv = [program, argument]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit:  # which gk.WorkerLostError is, too
        raise
    except (Exception, KeyboardInterrupt):
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
