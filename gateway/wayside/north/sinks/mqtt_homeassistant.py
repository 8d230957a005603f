"""`mqtt-homeassistant`: as `mqtt-json`, with channels that announce themselves (decision 0112)."""

from typing import TYPE_CHECKING

from wayside.north import sinks

if TYPE_CHECKING:
    from wayside.north.sink import Sink, SinkLog


class Kind(sinks.SinkKind):
    announces = True

    def make(self, far_side: sinks.FarSide, log: "SinkLog") -> "Sink":
        from wayside.north.homeassistant import HomeAssistant

        return HomeAssistant(far_side.broker, log, devices=far_side.devices)

    def make_late(self, far_side: sinks.FarSide, log: "SinkLog") -> "Sink":
        """What is owed announces nothing, and its end is not the gateway's."""
        from wayside.north.mqtt import PlainMqtt

        return PlainMqtt(far_side.broker, log)
