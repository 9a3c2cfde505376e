"""What a contender's process measures."""

import resource
import time
from pathlib import Path

PREDICTIONS = 3  # of which the fastest counts, after one that compiles


class Watch:
    """Takes the times of a training and of a prediction.

    Args:
      started: when the process was started, by `time.time`.

    Attributes:
      first_step: seconds from the start of the process to the end of the first run of steps.
      ends: seconds from `start` to the end of each epoch.
      predicted: examples a second.
    """

    def __init__(self, started):
        self.started = started
        self.first_step = self.predicted = None
        self.ends = []

    def start(self):
        """Called before the first step."""
        self.fit_started = time.perf_counter()

    def step(self, wait=None):
        """Called after a run of one or more steps; `wait` waits for a library that runs ahead of Python."""
        if self.first_step is None:
            if wait:
                wait()
            self.first_step = time.time() - self.started

    def epoch(self):
        """Called after each epoch."""
        self.ends.append(time.perf_counter() - self.fit_started)

    def predict(self, function, examples):
        """Times a function examples -> NumPy array (examples, classes), which scales uint8 images itself."""
        times = []
        for _ in range(1 + PREDICTIONS):
            started = time.perf_counter()
            found = function(examples)
            times.append(time.perf_counter() - started)
            if found.ndim != 2 or len(found) != len(examples):
                raise ValueError(f"a prediction of {len(examples)} examples has the shape {found.shape}")
        self.predicted = len(examples) / min(times[1:])


def peak_mebibytes():
    """Returns the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` counts includes the parent's memory at the fork
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
