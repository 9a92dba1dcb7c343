"""A client of OPC UA on asyncua. Arguments: URL, then options as NAME=VALUE: user, password, policy (Basic256Sha256 or
Aes256Sha256RsaPss), cert, key, server (PEM or DER files).

Prints "READY yes" when it is connected and logged in, "READY <status>" when it is not. Then one line of JSON for each command:

    read NAME               value, status, source time
    browse                  names of all nodes below the site's folder
    unit NAME               engineering unit of a node
    write NAME TYPE VALUE   the status of a write, TYPE as in OPC UA
    describe NAME           the status of a write to the node's description
    access NAME             whether this user may write the node
    watch NAME...           subscribes; true
    seen NAME               how many notifications came, and the last value and status
"""

import asyncio
import json
import sys

from asyncua import Client, ua
from asyncua.crypto import security_policies

NAMESPACE = "urn:memg-gateway:points"


def told(value):
    """A value with its status, as JSON."""
    content = value.Value.Value if value.Value is not None else None
    source = value.SourceTimestamp.timestamp() if value.SourceTimestamp else None
    return {"value": content, "status": value.StatusCode.name, "source": source}


class Seen:
    """Notifications by name."""

    def __init__(self):
        self.by_name = {}

    def datachange_notification(self, node, value, data):
        name = node.nodeid.Identifier
        before = self.by_name.get(name, {"count": 0})
        now = told(data.monitored_item.Value)
        self.by_name[name] = {"count": before["count"] + 1, **now}

    def status_change_notification(self, status):
        pass


async def connect(url, options):
    client = Client(url=url, timeout=10)
    if "policy" in options:
        policy = getattr(security_policies, f"SecurityPolicy{options['policy']}")
        await client.set_security(
            policy,
            certificate=options["cert"],
            private_key=options["key"],
            server_certificate=options["server"],
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
    if "user" in options:
        client.set_user(options["user"])
        client.set_password(options["password"])
    await client.connect()
    return client


async def status_of(action):
    try:
        await action
        return "Good"
    except ua.UaStatusCodeError as error:
        return ua.status_codes.get_name_and_doc(error.code)[0]


async def names(node):
    found = []
    for child in await node.get_children():
        found.append(child.nodeid.Identifier)
        found += await names(child)
    return found


class Peer:
    def __init__(self, client, index):
        self.client, self.index, self.seen, self.subscription = client, index, Seen(), None

    def node(self, name):
        return self.client.get_node(ua.NodeId(name, self.index))

    async def answer(self, verb, rest):
        if verb == "browse":
            return await names(self.node("site"))
        node = self.node(rest[0])
        if verb == "read":
            return told(await node.read_data_value(raise_on_bad_status=False))
        if verb == "unit":
            unit = await (await node.get_child("0:EngineeringUnits")).read_value()
            return [unit.DisplayName.Text, unit.UnitId]
        if verb == "write":
            kind, text = getattr(ua.VariantType, rest[1]), rest[2]
            value = text if kind == ua.VariantType.String else float(text) if "." in text else int(text)
            written = ua.DataValue(ua.Variant(value, kind))
            return await status_of(node.write_attribute(ua.AttributeIds.Value, written))
        if verb == "describe":
            text = ua.DataValue(ua.Variant(ua.LocalizedText("mine"), ua.VariantType.LocalizedText))
            return await status_of(node.write_attribute(ua.AttributeIds.Description, text))
        if verb == "access":
            level = await node.read_attribute(ua.AttributeIds.UserAccessLevel)
            return bool(level.Value.Value & 2)
        if verb == "watch":
            self.subscription = self.subscription or await self.client.create_subscription(100, self.seen)
            await self.subscription.subscribe_data_change([self.node(name) for name in rest])
            return True
        return self.seen.by_name.get(rest[0])


async def main():
    url, options = sys.argv[1], dict(option.split("=", 1) for option in sys.argv[2:])
    try:
        client = await connect(url, options)
    except ua.UaStatusCodeError as error:
        print("READY", ua.status_codes.get_name_and_doc(error.code)[0], flush=True)
        return
    except (ConnectionError, asyncio.TimeoutError, OSError) as error:
        print("READY", type(error).__name__, flush=True)
        return
    peer = Peer(client, await client.get_namespace_index(NAMESPACE))
    print("READY yes", flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        verb, *rest = line.split()
        try:
            answer = await peer.answer(verb, rest)
        except ua.UaStatusCodeError as error:
            answer = ua.status_codes.get_name_and_doc(error.code)[0]
        print(json.dumps(answer), flush=True)
    await client.disconnect()


asyncio.run(main())
