"""What the programs of this folder share: the scenario on standard input, and lines of JSON on standard output.

See ../node/scenario.mjs for both formats; they are the same.
"""

import datetime
import json
import os
import sys
import threading

scenario = json.loads(sys.stdin.readline())
options = scenario.get("options") or {}

_lock = threading.Lock()
_errors = 0


def say(line):
    with _lock:
        os.write(1, (json.dumps(line) + "\n").encode())


def reported(err, n=None):
    """Says what the SDK answered to call number n or, without n, what it reported of itself."""
    global _errors
    if err is None:
        if n is not None:
            say({"call": n, "ok": True})
        return
    _errors += 1
    say({"call": n, "error": f"{type(err).__name__}: {err}" if isinstance(err, BaseException) else str(err)})


def date(a):
    return datetime.datetime.fromisoformat(a["time"].replace("Z", "+00:00")) if a.get("time") else None


def given(**members):
    """Drops what is None: some SDKs treat a member that is there differently from one that is not."""
    return {name: value for name, value in members.items() if value is not None}


def run(send, flush=None):
    """Makes the calls in order, then flushes, or with "finish": "exit" ends the process at once."""
    for n, c in enumerate(scenario["calls"]):
        try:
            send(c["call"], c["with"], n)
        except Exception as err:
            reported(err, n)
    if scenario.get("finish") != "exit" and flush:
        try:
            flush()
        except Exception as err:
            reported(err)
    say({"end": True, "calls": len(scenario["calls"]), "errors": _errors})
    os._exit(0)


def unknown(call):
    raise ValueError(f"this SDK has no call {call}")
