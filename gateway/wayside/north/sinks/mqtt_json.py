"""`mqtt-json`: one JSON object for each report, for people and dashboards."""

from typing import TYPE_CHECKING

from wayside.north import sinks

if TYPE_CHECKING:
    from wayside.north.sink import Sink, SinkLog


class Kind(sinks.SinkKind):
    Options = sinks.StateOptions

    def make(self, far_side: sinks.FarSide, log: "SinkLog") -> "Sink":
        from wayside.north.mqtt import PlainMqtt

        return PlainMqtt(far_side.broker, log, state_topic=far_side.options.state_topic)

    def make_late(self, far_side: sinks.FarSide, log: "SinkLog") -> "Sink":
        """The end of what is owed is not the gateway's."""
        from wayside.north.mqtt import PlainMqtt

        return PlainMqtt(far_side.broker, log)
