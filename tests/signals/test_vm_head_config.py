"""A signal node's configuration bears a seal and has a copy, as every node's."""

import asyncio
from pathlib import Path

from signals.bench_head import Process, head_bench, until
from wayside_node.seal import has_seal


def test_a_bit_that_turns_over_does_not_become_another_head(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with head_bench(micropython, tmp_path) as bench:
            await bench.node.start()
            await bench.running()
            await bench.node.kill()
            path = tmp_path / "signal.json"
            sealed = path.read_bytes()
            assert has_seal(sealed) and (tmp_path / "signal.json.old").read_bytes() == sealed
            path.write_bytes(sealed.replace(b"head-1", b"head-3"))
            await Process.start(bench.node)  # as it is: nobody writes it anew
            before = "going on with the configuration before it"
            await until(lambda: bench.node.log.count("signal node head-1") == 2, "the second start")
            assert before in bench.node.log and path.read_bytes() == sealed

    asyncio.run(main())
