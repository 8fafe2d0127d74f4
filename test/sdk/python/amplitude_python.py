"""amplitude-analytics (Python)"""

import threading

from amplitude import Amplitude, BaseEvent, Config, EventOptions, Identify, Revenue
from scenario import given, options, reported, run, scenario, unknown
import datetime

waiting = threading.Semaphore(0)


def answered(event, code, message=None):
    reported(None if code == 200 else f"{code} {message}", numbers.get(event.insert_id))
    waiting.release()


numbers = {}
client = Amplitude(
    scenario["key"],
    Config(
        server_url=scenario["url"] + options.get("path", "/2/httpapi"),
        flush_queue_size=options.get("flushAt", len(scenario["calls"])),
        flush_interval_millis=options.get("flushIntervalMillis", 300),
        flush_max_retries=options.get("retries", 12),
        callback=answered,
    ),
)

OPERATIONS = {"identify": "set", "set": "set", "setOnce": "set_once", "add": "add", "append": "append", "prepend": "prepend", "union": "post_insert", "remove": "remove"}


def identify_object(call, a):
    identify = Identify()
    if call == "clear":
        identify.clear_all()
    elif call == "unset":
        for name in a["names"]:
            identify.unset(name)
    else:
        for name, value in (a.get("traits") or {}).items():
            getattr(identify, OPERATIONS[call])(name, value)
    return identify


def send(call, a, n):
    time = int(datetime.datetime.fromisoformat(a["time"].replace("Z", "+00:00")).timestamp() * 1000) if a.get("time") else None
    about = given(user_id=a.get("user"), device_id=a.get("anonymous"), time=time, insert_id=a.get("id"), session_id=a.get("session"), **(a.get("context") or {}))
    if call in ("track", "page", "screen"):
        groups = {a["groupType"]: a["group"]} if a.get("groupType") else None
        client.track(BaseEvent(a.get("event") or a.get("name"), **given(event_properties=a.get("properties"), groups=groups), **about))
    elif call == "group":
        client.group_identify(a["groupType"], a["group"], identify_object("set", a), EventOptions(**about))
    elif call == "setGroup":
        client.set_group(a["groupType"], a["group"], EventOptions(**about))
    elif call == "revenue":
        p = a["properties"]
        client.revenue(Revenue(price=p["price"], quantity=p["quantity"], product_id=p["product"]), EventOptions(**about))
    elif call in OPERATIONS or call in ("unset", "clear"):
        client.identify(identify_object(call, a), EventOptions(**about))
    else:
        unknown(call)


def flush():
    # flush() gives up on what is refused for the moment; the callbacks say when each event has its answer.
    for _ in scenario["calls"]:
        if not waiting.acquire(timeout=options.get("timeoutMillis", 60_000) / 1000):
            raise TimeoutError("an event got no answer")


run(send, flush)
