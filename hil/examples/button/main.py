from time import sleep_ms

from machine import Pin

button = Pin(14, Pin.IN, Pin.PULL_UP)
led = Pin(25, Pin.OUT)
while True:
    led.value(not button.value())
    print("pressed" if led.value() else "released")
    sleep_ms(20)
