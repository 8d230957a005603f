# A Raspberry Pi Pico with a LoRa radio: the SDK's board, the application and its pins from here.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
