"""`mqtt-json`: one JSON object for each report, for people and dashboards."""

from typing import TYPE_CHECKING

from wayside.north import sinks

if TYPE_CHECKING:
    from wayside.north.sink import LogReader, Sink


class Kind(sinks.Kind):
    Options = sinks.StateOptions

    def make(self, far_side: sinks.FarSide, log: "LogReader") -> "Sink":
        from wayside.north.mqtt import PlainMqtt

        return PlainMqtt(far_side.broker, log, state_topic=far_side.options.state_topic)

    def make_late(self, far_side: sinks.FarSide, log: "LogReader") -> "Sink":
        """The end of what is owed is not the gateway's."""
        from wayside.north.mqtt import PlainMqtt

        return PlainMqtt(far_side.broker, log)
