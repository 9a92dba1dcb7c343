#!/bin/sh
# A plant that publishes what its meters show, once a second, as the broker's user `plant`.
while :; do
  mosquitto_pub -h "${BROKER:-localhost}" -p "${MQTT_PORT:-8883}" --cafile certificates/ca.pem --cert certificates/plant.pem \
    --key certificates/plant.key -t plant/all -m '{"pv_kw": 24, "load_kw": 9, "soc_percent": 40}' || echo "the broker is away" >&2
  sleep 1
done
