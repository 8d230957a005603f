// Raspberry Pi Pico with an SX1276 (wiring.md).
#define MICROPY_HW_BOARD_NAME                   "Wayside RP2040_RADIO"
// The upper part of the 2 MiB is the file system: configuration, key, counters, journal.
#define MICROPY_HW_FLASH_STORAGE_BYTES          (1024 * 1024)
// The application runs on one core; the second one would only cost memory.
#define MICROPY_PY_THREAD                       (0)
