"""`mqtt`: the log with its proofs, for a receiver that verifies (docs/delivery.md)."""

from typing import TYPE_CHECKING

from wayside.north import sinks

if TYPE_CHECKING:
    from wayside.north.sink import LogReader, Sink


class Kind(sinks.Kind):
    def make(self, far_side: sinks.FarSide, log: "LogReader") -> "Sink":
        from wayside.north.mqtt import VerifiableMqtt

        return VerifiableMqtt(far_side.broker, log)
