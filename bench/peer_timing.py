"""How every peer is timed, and how its answer is sent: the protocol of measure.ts, in Python."""

import json
import signal
import time

# The protocol of measure.ts, in seconds.
PATIENCE = 3.0
BUDGET = 2.0


def measure(run):
    """Times a call: one run to warm up, then several. Returns the last result and the timing in milliseconds."""

    def timed():
        start = time.perf_counter()
        result = run()
        return result, time.perf_counter() - start

    result, first = timed()
    times = [first] if first > PATIENCE else []
    while first <= PATIENCE and (len(times) < 3 or (sum(times) < BUDGET and len(times) < 100)):
        result, took = timed()
        times.append(took)
    times.sort()
    middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
    seconds = {"first": first, "median": middle, "min": times[0], "max": times[-1]}
    return result, {**{name: 1000 * value for name, value in seconds.items()}, "runs": len(times)}


def emit(answer):
    print(json.dumps(answer), flush=True)


def run_peer(name, limit, call, read, remark=None):
    """Runs one peer, for at most `limit` seconds, and emits its timing and its answer, or why there is none."""

    def give_up(*_):
        raise TimeoutError(f"not done after {limit} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    try:
        result, timing = measure(call)
        signal.alarm(0)
        emit({"peer": name, "timing": timing, "answer": read(result), "remark": remark})
    except Exception as error:
        emit({"peer": name, "failure": (str(error) or type(error).__name__).splitlines()[0]})
    finally:
        signal.alarm(0)
