"""posthog (Python); options.mode "v1" speaks its newer protocol."""

from posthog import Posthog
from scenario import date, given, options, reported, run, scenario, unknown

client = Posthog(
    scenario["key"],
    **given(
        host=scenario["url"],
        gzip=options.get("gzip"),
        max_retries=options.get("retries"),
        flush_at=options.get("flushAt", len(scenario["calls"])),
        flush_interval=options.get("flushIntervalMillis", 500) / 1000,
        capture_mode=options.get("mode"),
        capture_compression=None if options.get("gzip") is None or options.get("mode") != "v1" else ("gzip" if options["gzip"] else "none"),
        on_error=lambda err, batch: reported(err),
    ),
)


def send(call, a, n):
    who = {"distinct_id": a.get("user") or a.get("anonymous")}
    about = given(timestamp=date(a), uuid=a.get("id"))
    if call in ("track", "page", "screen"):
        event = {"track": a.get("event"), "page": "$pageview", "screen": "$screen"}[call]
        properties = {**(a.get("properties") or {}), **given(**{"$session_id": a.get("session"), "$window_id": a.get("window"), "$screen_name": a.get("name")})}
        client.capture(event, properties=properties, **who, **about, **given(groups={a["groupType"]: a["group"]} if a.get("groupType") else None))
    elif call == "identify" and a.get("anonymous"):
        # This SDK has no identify(): the event itself is what its documentation sends.
        client.capture("$identify", properties={"$set": a.get("traits") or {}, "$anon_distinct_id": a["anonymous"]}, **who, **about)
    elif call in ("identify", "set"):
        client.set(properties=a.get("traits"), **who, **about)
    elif call == "setOnce":
        client.set_once(properties=a.get("traits"), **who, **about)
    elif call == "group":
        client.group_identify(a["groupType"], a["group"], a.get("traits"), **about, **given(distinct_id=a.get("user")))
    elif call == "alias":
        client.alias(a["previous"], a["user"], **about)
    else:
        unknown(call)


run(send, client.shutdown)
