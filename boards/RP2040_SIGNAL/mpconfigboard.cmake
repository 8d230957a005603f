# A Raspberry Pi Pico that switches signal heads: the SDK's board, the application and its pins from here.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
