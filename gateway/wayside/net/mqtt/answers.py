"""What a broker's reason codes mean for whoever asked (MQTT 5 section 2.4): again, seldom, otherwise, or never."""

from dataclasses import dataclass, replace

from paho.mqtt.reasoncodes import ReasonCode

from wayside.net.far_side import Denied, FarSideError, FarSideRefused, Rejected, Unreachable

# About one message, and for good. Brokers do send 0x95 in a PUBACK, where section 3.4.2.1 has no such code.
_NEVER = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
_SELDOM = {0x80: "unspecified error", 0x83: "implementation specific error", 0x97: "quota exceeded"}
_NOT_AUTHORIZED = 0x87
_NO_SUCH_VERSION = 0x84
_NO_RETAIN, _NO_SUCH_QOS = 0x9A, 0x9B

# Of a CONNACK: codes that may be meant for the will alone (MQTT 5 section 3.2.2.2). Brokers say 0x87, which is 5 in
# 3.1.1, where the access list denies its topic.
_PERHAPS_THE_WILL = (0x80, 0x83, _NOT_AUTHORIZED, 0x90, 0x95, 0x99)

_OLD_NO_SUCH_VERSION = 1  # MQTT 3.1.1 section 3.2.2.3


@dataclass(frozen=True)
class Will:
    """What the broker publishes when the connection ends, however it ends: a session with a will says no farewell."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class OtherMqttVersion(Exception):
    """The broker speaks no MQTT 5."""


class OtherWill(Exception):
    """The broker takes no such will, but perhaps this one, or none."""

    def __init__(self, will: Will | None):
        self.will = will


def less_of(will: Will) -> Will | None:
    """What a broker may take that closes the connection on `will`, as some do on QoS 1 or what is to be retained."""
    if will.qos:
        return replace(will, qos=0)
    return replace(will, retain=False) if will.retain else None


def to_connect(broker: str, code: ReasonCode, version: int, will: Will | None) -> Exception:
    """A CONNACK that says no."""
    if code.value == _NO_SUCH_VERSION and version == 5:
        return OtherMqttVersion()
    if will and will.retain and code.value == _NO_RETAIN:
        return OtherWill(replace(will, retain=False))
    if will and will.qos and code.value == _NO_SUCH_QOS:
        return OtherWill(replace(will, qos=0))
    if will and code.value in _PERHAPS_THE_WILL:
        return OtherWill(None)
    return FarSideRefused(f"{broker}: refused: {code}")


def to_old_connect(broker: str, code: int, version: int, will: Will | None) -> Exception:
    """A CONNACK in the format of 3.1.1, as an answer to MQTT 5, or of a code that the client has no words for."""
    if version == 5:
        return OtherMqttVersion()
    if will:  # some brokers say "unacceptable protocol version" of a will
        return OtherWill(None)
    what = "speaks neither MQTT 5 nor 3.1.1" if code == _OLD_NO_SUCH_VERSION else "the client identifier"
    return FarSideRefused(f"{broker}: refused: {what}")


def to_message(broker: str, code: int, topic: str) -> FarSideError:
    """A PUBACK that says no to a message on `topic`."""
    if code in _NEVER:
        return Rejected(f"{broker}: {_NEVER[code]}")
    if code == _NOT_AUTHORIZED:
        return Denied(f"{broker}: not authorized to publish on {topic}")
    if code in _SELDOM:
        return FarSideRefused(f"{broker}: {_SELDOM[code]}")
    return Unreachable(f"{broker}: reason code 0x{code:02x}")
