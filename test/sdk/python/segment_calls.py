"""The calls of Segment's SDK, and of RudderStack's, which was made out of it."""


from scenario import date, given, options, reported, run, scenario, unknown


def through(Client):
    client = Client(
        scenario["key"],
        **given(
            host=scenario["url"],
            gzip=options.get("gzip"),
            max_retries=options.get("retries"),
            upload_size=options.get("flushAt", len(scenario["calls"])),
            upload_interval=options.get("flushIntervalMillis", 500) / 1000,
            on_error=lambda err, batch: reported(err),
        ),
    )

    def send(call, a, n):
        about = given(context=a.get("context"), timestamp=date(a), message_id=a.get("id"))
        who = given(user_id=a.get("user"), anonymous_id=a.get("anonymous"))
        if call == "track":
            client.track(event=a["event"], properties=a.get("properties"), **who, **about)
        elif call == "identify":
            client.identify(traits=a.get("traits"), **who, **about)
        elif call in ("page", "screen"):
            getattr(client, call)(category=a.get("category"), name=a.get("name"), properties=a.get("properties"), **who, **about)
        elif call == "group":
            client.group(group_id=a["group"], traits=a.get("traits"), **who, **about)
        elif call == "alias":
            client.alias(previous_id=a["previous"], user_id=a["user"], **about)
        else:
            unknown(call)

    run(send, client.flush)
