"""`make bench`: every table, one after the other. Each tools/bench_*.py also runs on its own, with options."""

import subprocess
import sys
from pathlib import Path

TABLES = ("bench_path", "bench_modbus", "bench_north", "bench_log", "bench_ticks", "bench_node")


def main() -> int:
    folder = Path(__file__).parent
    failed = 0
    for name in TABLES:
        print(f"--- {name}", flush=True)
        failed |= subprocess.run([sys.executable, folder / f"{name}.py"]).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
