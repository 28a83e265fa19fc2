#!/usr/bin/env python3
"""Runs a command and adds a last line to its standard output: {"wall": seconds, "processor": seconds of all processors, "peak": bytes of its largest resident set}.

A process of its own, because Linux counts the memory that a process had between fork and exec, thus that of the process that started it: started straight
from a program that holds a neural network, `true` would weigh a gigabyte.

    python3 measured.py COMMAND [ARGUMENT]...
"""
import json
import os
import subprocess
import sys
import time

start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({"wall": wall, "processor": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}), flush=True)
sys.exit(process.returncode if process.returncode >= 0 else 1)
