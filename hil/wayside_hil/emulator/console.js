"use strict";
/*
 * The host at the other end of the Pico's USB: it enumerates a CDC device and reads and writes its bytes.
 *
 * The emulator's USBCDC answers each armed OUT endpoint at once with nothing, so that the processor never sleeps. Here
 * the answer waits until there is something to send.
 */
const { USBCDC } = require("rp2040js");

const PACKET = 64; // full-speed bulk endpoint, USB 2.0 section 5.8.3

class Console {
  /** onData(Uint8Array): what the firmware wrote. */
  constructor(usb, onData) {
    this.usb = usb;
    this.cdc = new USBCDC(usb);
    this.cdc.onSerialData = (data) => data.length && onData(data);
    this.queue = [];
    this.armed = 0;
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint !== this.cdc.outEndpoint) return;
      this.armed = Math.min(size, PACKET);
      this.#answer();
    };
  }

  send(data) {
    this.queue.push(...data);
    this.#answer();
  }

  #answer() {
    if (!this.armed || !this.queue.length) return;
    const packet = Uint8Array.from(this.queue.splice(0, this.armed));
    this.armed = 0;
    this.usb.endpointReadDone(this.cdc.outEndpoint, packet);
  }
}

module.exports = { Console };
