"""Run a program and write its cost into a file, as JSON: stopwatch.py FILE WORD…

It is a small process, because the kernel counts the memory of a parent in the peak of its child: benchmarks with a
thousand agents are larger than what they measure.
"""

import json
import os
import sys
import time
from pathlib import Path

file, *words = sys.argv[1:]
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(words[0], words, os.environ), 0)
cost = {"wall": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}
Path(file).write_text(json.dumps({"status": os.waitstatus_to_exitcode(status), "cost": cost}))
