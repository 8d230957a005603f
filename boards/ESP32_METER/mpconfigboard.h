// An ESP32 with 4 MiB of flash and an RS-485 transceiver (wiring.md).
#define MICROPY_HW_BOARD_NAME                   "Wayside ESP32_METER"
#define MICROPY_HW_MCU_NAME                     "ESP32"
// The link may be Wi-Fi; Bluetooth is another board's.
#define MICROPY_PY_BLUETOOTH                    (0)
