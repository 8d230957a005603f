// An ESP32-S3-WROOM-1-N16R8 (16 MiB of flash, 8 MiB of memory) with sensors (wiring.md).
#define MICROPY_HW_BOARD_NAME                   "Wayside ESP32S3_SENSOR"
#define MICROPY_HW_MCU_NAME                     "ESP32S3"
// The console is USB; UART 0 is free.
#define MICROPY_HW_ENABLE_UART_REPL             (0)
