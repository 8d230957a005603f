from time import sleep_ms

from machine import Pin

led = Pin(25, Pin.OUT)
while True:
    led.toggle()
    print("lamp", led.value())
    sleep_ms(250)
