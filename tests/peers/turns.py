"""Timing several contenders in turns, so that whatever else the machine does falls on all of them."""
import os
import pathlib
import time

import numpy as np

QUIET = 0.05  # share of the processors that other processes may take
SETTLE = 0.2  # seconds between two contenders, for the thread pools of the last one to fall asleep
WARM_UP = 3  # passes before those that count: the caches are the last contender's
ENOUGH = 2.0  # seconds of a turn after which no further pass begins


class Others:
    """How much of these processors goes to processes that are no part of the comparison. Two threads that wait for each other suffer
    most from them, so a comparison on a busy machine is unfair to the process that waits more."""

    def __init__(self, processors):
        self.names = {f"cpu{number}" for number in processors}
        self.start = self.now()

    def now(self):
        rows = [line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines()]
        # All but idle and waiting; guests are in user.
        ticks = sum(sum(map(int, row[1:4] + row[6:9])) for row in rows if row[0] in self.names)
        # The process' own time includes that of its children, once they have ended.
        return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])

    def share(self):
        wall, busy, ours = (now - then for now, then in zip(self.now(), self.start, strict=True))
        return max(0.0, busy - ours) / (wall * len(self.names))


class Timed:
    """Something to time: `once` is called `passes` times per turn, fewer if that takes long. `clock` tells seconds."""

    def __init__(self, once, passes, clock=time.perf_counter):
        self.once, self.passes, self.clock, self.seconds = once, passes, clock, []

    def turn(self):
        begin = time.perf_counter()
        for _ in range(WARM_UP):
            self.once()
        for _ in range(self.passes):
            start = self.clock()
            self.once()
            self.seconds.append(self.clock() - start)
            if time.perf_counter() - begin > ENOUGH:
                break


class Session(Timed):
    """Passes of an ONNX file by ONNX Runtime; `feed` is to be given before the first."""

    def __init__(self, path, threads, passes, clock=time.perf_counter):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (self.input,) = self.session.get_inputs()
        self.version, self.feed = onnxruntime.__version__, {}
        super().__init__(lambda: self.session.run(None, self.feed), passes, clock)


def spread(values, scale=1.0):
    """Median and the tenth and ninetieth percentile."""
    low, middle, high = np.percentile(np.array(values) * scale, [10, 50, 90])
    return f"{middle:9.2f}  ({low:.2f} .. {high:.2f}, n = {len(values)})"
