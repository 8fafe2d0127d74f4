"""mixpanel (Python): one request for each call, unless options.batch collects them."""

from mixpanel import BufferedConsumer, Consumer, Mixpanel
from scenario import date, given, options, reported, run, scenario, unknown

url = scenario["url"]
kind = BufferedConsumer if options.get("batch") else Consumer
# Its retries are set up for https only; verify_cert lets it talk to a certificate made for the test.
consumer = kind(
    events_url=url + "/track",
    people_url=url + "/engage",
    groups_url=url + "/groups",
    import_url=url + "/import",
    verify_cert=False,
    **given(retry_limit=options.get("retries")),
)
client = Mixpanel(scenario["key"], consumer=consumer)

PEOPLE = {"set": "people_set", "identify": "people_set", "setOnce": "people_set_once", "add": "people_increment", "append": "people_append", "union": "people_union", "remove": "people_remove"}
GROUPS = {"group": "group_set", "groupSetOnce": "group_set_once", "groupUnion": "group_union", "groupRemove": "group_remove"}


def send(call, a, n):
    at = date(a)
    who = a.get("user") or a.get("anonymous")
    if call in ("track", "page", "screen"):
        properties = {
            **(a.get("properties") or {}),
            **given(**{"$user_id": a.get("user"), "$device_id": a.get("anonymous"), "$insert_id": a.get("id"), "time": at and at.timestamp(), "$session_id": a.get("session")}),
        }
        if options.get("import"):
            client.import_data(None, who, a.get("event") or a.get("name"), at.timestamp(), properties, api_secret=scenario["key"])
        else:
            client.track(who, a.get("event") or a.get("name"), properties)
    elif call == "identify" and a.get("anonymous"):
        client.track(a["user"], "$identify", {"$identified_id": a["user"], "$anon_id": a["anonymous"]})
        client.people_set(a["user"], a.get("traits") or {})
    elif call == "alias":
        # alias() of this SDK always asks Mixpanel's own host; the event that it sends is this one.
        client.track(a["previous"], "$create_alias", {"alias": a["user"]})
    elif call == "merge":
        client.merge(None, a["user"], a["previous"], api_secret=scenario["key"])
    elif call == "unset":
        client.people_unset(a["user"], a["names"])
    elif call == "clear":
        client.people_delete(a["user"])
    elif call == "revenue":
        client.people_track_charge(a["user"], a["properties"]["price"], dict(a["properties"]))
    elif call == "groupUnset":
        client.group_unset(a["groupType"], a["group"], a["names"])
    elif call == "groupClear":
        client.group_delete(a["groupType"], a["group"])
    elif call in PEOPLE:
        getattr(client, PEOPLE[call])(who, a["traits"])
    elif call in GROUPS:
        getattr(client, GROUPS[call])(a["groupType"], a["group"], a["traits"])
    else:
        unknown(call)
    if not options.get("batch"):
        reported(None, n)


def flush():
    if options.get("batch"):
        consumer.flush()


run(send, flush)
