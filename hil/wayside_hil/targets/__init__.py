"""Where a board may be: emulated, behind serial ports, in Wokwi's cloud, or a process of this machine."""
