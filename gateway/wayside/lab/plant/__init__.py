"""Simulated meters and the lines they hang on, for `wayside demo`, the benchmarks and the tests.

`load` is a house with a roof of solar modules, `sdm630` a meter that measures it, `serve` puts meters on a pty that is
as slow as a real line or on a TCP port. `energy` is a whole site: solar modules and a battery that take set-points
(`der`), loads, a grid meter, and what goes wrong by name. Deterministic by seed and clock.

Imports wayside_wire and of south the Modbus/TCP server and SunSpec's models; only `lab.demo`, cli, benchmarks and tests
import it.
"""

from .sdm630 import Sdm630
from .serve import Slave, answer_for, serve_pty, serve_tcp

__all__ = ["Sdm630", "Slave", "answer_for", "serve_pty", "serve_tcp"]
