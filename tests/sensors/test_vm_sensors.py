"""Every kind of sensor on a board with a link, in the real VM: from modelled chips and contacts to signed packs."""

import asyncio
import json
import os
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from bench_vm import KEY, ROOT, Gateway, Node
from modelled_chips import bme280, bus, qmc5883l
from sensor_samples import pms_frame, sds_frame
from waiting import until
from wayside.lab.plant.cable import raw_pty
from wayside.values.reading import Reading
from wayside_hil.chips import Scd41
from wayside_wire.pack import GOOD


class Values:
    """The last reading of each channel that the gateway has."""

    def __init__(self, gateway: Gateway):
        self._gateway = gateway

    def get(self, channel: str) -> Reading | None:
        for place in reversed(self._gateway.order):
            for reading in self._gateway.packs[place][0].readings:
                if reading.channel == channel:
                    return reading
        return None

    def said(self, channel: str) -> object:
        reading = self.get(channel)
        return reading and (reading.mantissa if reading.quality == GOOD else reading.reason)


def test_every_kind_of_sensor_to_signed_packs(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            chips = {0x76: bme280(), 0x62: Scd41(612, 0x6667, 0x5EB9), 0x0D: qmc5883l(100, 200, -300)}
            air = await stack.enter_async_context(bus({key: chips[key] for key in (0x62, 0x0D)}))
            weather = {0x76: chips[0x76]}
            mast = await stack.enter_async_context(bus(weather))
            handle, link_port = stack.enter_context(raw_pty())
            dust, dust_port = stack.enter_context(raw_pty())
            fine, fine_port = stack.enter_context(raw_pty())
            level, meter, lane, door = (tmp_path / name for name in ("level", "meter", "lane", "door"))
            level.write_text("1200000")
            loop = {"low_mv": 400, "high_mv": 2000, "low": 0, "high": 5000, "broken_below_mv": 360}
            rows = [
                {"kind": "sds011", "port": dust_port, "warm_up_ms": 0},
                {"kind": "scd41", "port": air, "warm_up_ms": 0},
                {"kind": "qmc5883l", "port": air},
                {"kind": "pulses", "port": str(meter), "channel": "volume", "unit": "m3", "exponent": -3, "factor": 10},
                {"kind": "loop", "port": str(lane)},
                {"kind": "digital", "port": str(door), "name": "door"},
                {"kind": "analogue", "port": str(level), "channel": "level", "unit": "m", "exponent": -3} | loop,
            ]
            sensors = {"device": "kerb-1", "report_ms": 1000, "list": rows}
            config = {"node": "node-1", "state": str(tmp_path / "state"), "link": {"port": link_port}}
            config["gateway"] = KEY.public.hex()
            path = tmp_path / "node.json"
            path.write_text(json.dumps(config | {"sensors": sensors}))
            gateway = Gateway(handle)
            node = Node(micropython, path)
            gateway.public = await node.public_key()
            asyncio.get_running_loop().add_reader(handle, gateway.readable)
            stack.callback(asyncio.get_running_loop().remove_reader, handle)
            await node.start()
            stack.push_async_callback(node.kill)
            values = Values(gateway)

            async def speak() -> None:
                while True:
                    os.write(dust, sds_frame(123, 245))
                    os.write(fine, pms_frame(3, 12, 24))
                    await asyncio.sleep(0.3)

            speaking = asyncio.create_task(speak())
            stack.callback(speaking.cancel)
            expected = {
                "pm2.5": 123, "pm10": 245, "co2": 612, "temperature": 2500, "humidity": 3700, "occupied": 0,
                "field_change": 0, "volume": 0, "vehicles": 0, "presence": 0, "door": 0, "level": 2500,
            }  # fmt: skip
            await until(lambda: {name: values.said(name) for name in expected} == expected, "every value")
            chips[0x0D].put(0, b"\xe8\x03")  # a car
            for _ in range(3):
                for contact in (meter, lane):
                    contact.write_text("1")
                await asyncio.sleep(0.3)
                for contact in (meter, lane):
                    contact.write_text("0")
                await asyncio.sleep(0.3)
            door.write_text("1")
            level.write_text("0")
            changed = {"occupied": 1, "volume": 30, "vehicles": 3, "presence": 0, "door": 1, "level": "broken wire"}
            await until(lambda: {name: values.said(name) for name in changed} == changed, "what changed")
            speaking.cancel()
            await until(lambda: values.said("pm2.5") == "no answer", "the silence of a sensor")
            gateway.check_chain()
            # Another start, another set: the register goes on, the base line of the space is kept.
            await node.kill()
            rows[:2] = [
                {"kind": "pms5003", "port": fine_port, "warm_up_ms": 0},
                {"kind": "bme280", "port": mast},
            ]
            path.write_text(json.dumps(config | {"sensors": sensors}))
            speaking = asyncio.create_task(speak())
            await node.start()
            again = {
                "pm1": 3,
                "pm2.5": 12,
                "pm10": 24,
                "temperature": 2508,
                "pressure": 100653,
                "occupied": 1,
                "volume": 30,
            }
            await until(lambda: {name: values.said(name) for name in again} == again, "every value again")
            speaking.cancel()
            weather.clear()
            await until(lambda: values.said("pressure") == "no answer", "the silence of a chip")
            gateway.check_chain()

    asyncio.run(main())


DRIVER = '''"""A light meter on a converter: a hundred millivolts are a lux."""

from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import GOOD, Reading


def open_driver(options, place):
    return LightMeter(place.board.open_adc(options.text("port")))


class LightMeter:
    channels = (ReportChannel("illuminance", "lx", -1),)

    def __init__(self, read):
        self._read = read

    def step(self):
        pass

    def readings(self, now_ms):
        return [Reading("illuminance", "lx", self._read() // 10000, -1, GOOD, "", now_ms)]
'''


def test_a_driver_is_one_more_file_and_nothing_else(micropython: Path, tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    shutil.copytree(ROOT / "firmware", firmware)
    (firmware / "wayside_node" / "sensors" / "light_meter.py").write_text(DRIVER)
    volts = tmp_path / "volts"
    volts.write_text("1234567")
    config = tmp_path / "node.json"

    async def main() -> None:
        with raw_pty() as (handle, link_port):
            sensors = {"device": "sky-1", "report_ms": 1000, "list": [{"kind": "light_meter", "port": str(volts)}]}
            settings = {"node": "node-1", "state": str(tmp_path / "state"), "link": {"port": link_port}}
            settings["gateway"] = KEY.public.hex()
            config.write_text(json.dumps(settings | {"sensors": sensors}))
            gateway = Gateway(handle)
            node = Node(micropython, config, firmware)
            gateway.public = await node.public_key()
            asyncio.get_running_loop().add_reader(handle, gateway.readable)
            try:
                await node.start()
                await until(lambda: Values(gateway).said("illuminance") == 123, "the light")
            finally:
                await node.kill()
                asyncio.get_running_loop().remove_reader(handle)

    asyncio.run(main())
