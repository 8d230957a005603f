"use strict";
/*
 * The host at the other end of the Pico's USB: it enumerates a CDC device and reads and writes its bytes.
 *
 * The emulator's USBCDC answers each armed OUT endpoint at once with nothing, so that the processor never sleeps. Here
 * the answer waits until there is something to send.
 */
const { USBCDC } = require("rp2040js");

const IN_BUFFER_CONTROL = 0x80, AVAILABLE = 1 << 10; // RP2040 datasheet section 4.1.2.5
const PACKET = 64; // full-speed bulk endpoint, USB 2.0 section 5.8.3

class Console {
  /** onData(Uint8Array): what the firmware wrote. */
  constructor(usb, onData) {
    this.usb = usb;
    this.cdc = new USBCDC(usb);
    this.cdc.onSerialData = (data) => data.length && onData(data);
    this.isRead = true;
    this.held = []; // buffers that wait for the host
    const updated = usb.DPRAMUpdated.bind(usb);
    usb.DPRAMUpdated = (offset, value) => {
      const isOurs = offset === IN_BUFFER_CONTROL + 8 * this.cdc.inEndpoint && value & AVAILABLE;
      isOurs && !this.isRead ? this.held.push(() => updated(offset, value)) : updated(offset, value);
    };
    this.queue = [];
    this.armed = 0;
    usb.onEndpointRead = (endpoint, size) => {
      if (endpoint !== this.cdc.outEndpoint) return;
      this.armed = Math.min(size, PACKET);
      this.#answer();
    };
  }

  /** Whether the host fetches what the firmware writes: a terminal that is stopped does not, and is still connected. */
  set reads(value) {
    this.isRead = value;
    if (value) this.held.splice(0).forEach((fetch) => fetch());
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
