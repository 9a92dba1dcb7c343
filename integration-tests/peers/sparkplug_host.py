"""A Sparkplug host on pysparkplug. Argument: port of the broker. Prints "READY host", then answers each line with a line:

    seen            messages so far, as TYPE/NODE[/DEVICE], in their order
    value NAME      the newest value of a metric, or "unknown"; "null" where the node says so
    row             whether the numbers of messages follow each other since the last birth: "yes" or "no"
    rebirth         asks the node to be born again
    write NAME N    a command
"""

import sys
import threading
import time

import pysparkplug as psp

lock = threading.Lock()
seen, values, births, numbers = [], {}, {}, []


def heard(_, message):
    topic, payload = message.topic, message.payload
    with lock:
        parts = [str(topic.message_type), topic.edge_node_id] + ([topic.device_id] if topic.device_id else [])
        seen.append("/".join(part.upper() if part is parts[0] else part for part in parts))
        if topic.message_type == psp.MessageType.NBIRTH:
            numbers.clear()
        seq = getattr(payload, "seq", None)
        if seq is not None and topic.message_type != psp.MessageType.NDEATH:
            numbers.append(seq)
        for metric in getattr(payload, "metrics", None) or []:
            values[metric.name] = metric.value
        if topic.message_type == psp.MessageType.NDEATH:
            values["death bdSeq"] = payload.bd_seq_metric.value


def main():
    port = int(sys.argv[1])
    client = psp.Client(client_id="sparkplug-host")
    client.connect("127.0.0.1", port=port)
    for kind in ("NBIRTH", "NDATA", "NDEATH"):
        client.subscribe(psp.Topic(group_id="memg", message_type=psp.MessageType[kind], edge_node_id="+"), psp.QoS.AT_LEAST_ONCE, heard)
    for kind in ("DBIRTH", "DDATA", "DDEATH"):
        topic = psp.Topic(group_id="memg", message_type=psp.MessageType[kind], edge_node_id="+", device_id="+")
        client.subscribe(topic, psp.QoS.AT_LEAST_ONCE, heard)
    time.sleep(0.5)
    print("READY host", flush=True)
    command = psp.Topic(group_id="memg", message_type=psp.MessageType.NCMD, edge_node_id="promises")
    for line in sys.stdin:
        verb, *rest = line.split()
        now = psp.get_current_timestamp()
        with lock:
            if verb == "seen":
                print(*seen, flush=True)
                continue
            if verb == "value":
                value = values.get(" ".join(rest), "unknown")
                print("null" if value is None else value, flush=True)
                continue
            if verb == "row":
                print("yes" if numbers and all(n == k % 256 for k, n in enumerate(numbers)) else "no", flush=True)
                continue
        if verb == "rebirth":
            metric = psp.Metric(timestamp=now, name="Node Control/Rebirth", datatype=psp.DataType.BOOLEAN, value=True)
        else:
            metric = psp.Metric(timestamp=now, name=rest[0], datatype=psp.DataType.DOUBLE, value=float(rest[1]))
        payload = psp.NCmd(timestamp=now, metrics=(metric,))
        client.publish(psp.Message(topic=command, payload=payload, qos=psp.QoS.AT_MOST_ONCE, retain=False), include_dtypes=True)
        print("sent", flush=True)


main()
