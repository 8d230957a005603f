"""The units that a reading may have: the IANA registry "SenML Units" (RFC 8428 section 12.1, RFC 8798 section 2).

Of its secondary units (RFC 8798 section 3) only those that sensors have had from the beginning: whoever adds up kWh and
J is wrong by 3,600,000. "": it has none. Imports nothing.
"""

_PRIMARY = (
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 "
    "cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m "
    "kg/m3 deg NTU"
)
_SECONDARY = "ppm ug/m3 /100"

SENML_UNITS = frozenset(["", *_PRIMARY.split(), *_SECONDARY.split()])
