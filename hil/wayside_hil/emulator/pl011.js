"use strict";
/*
 * A UART whose bytes take their time: ARM PrimeCell PL011 (DDI 0183), as the RP2040 has it (datasheet section 4.2).
 *
 * The emulator's own model sends a byte in no time, is never busy and raises the transmit interrupt without end. Here the
 * shift register holds a byte for start, data, parity and stop bits, BUSY lasts to the end of the last stop bit,
 * interrupts follow the levels of FIFOs of 32, and a receiver that nobody reads overruns. DMA requests and hardware flow
 * control are not modelled: MicroPython uses neither here.
 */
const { BasePeripheral } = require("rp2040js");

const DR = 0x00, RSR = 0x04, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34;
const IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44, DMACR = 0x48, PERIPHID0 = 0xfe0;
const FR_BUSY = 1 << 3, FR_RXFE = 1 << 4, FR_TXFF = 1 << 5, FR_RXFF = 1 << 6, FR_TXFE = 1 << 7;
const LCR_PEN = 1 << 1, LCR_EPS = 1 << 2, LCR_STP2 = 1 << 3, LCR_FEN = 1 << 4;
const CR_UARTEN = 1 << 0, CR_TXE = 1 << 8, CR_RXE = 1 << 9;
const INT_RX = 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6, INT_FE = 1 << 7, INT_PE = 1 << 8, INT_OE = 1 << 10;
const DR_FE = 1 << 8, DR_PE = 1 << 9, DR_OE = 1 << 11;
const FIFO_SIZE = 32;
const LEVELS = [4, 8, 16, 24, 28, 16, 16, 16]; // IFLS: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO
const TIMEOUT_BITS = 32; // a byte that lies in the receive FIFO this long asks to be fetched
const BAUD_TOLERANCE = 0.04; // a sender further off than this is sampled beside its stop bit
const ID = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

class Pl011 extends BasePeripheral {
  /** onSent({start, end, value, bitNs}): a byte has left; times in ns of the chip's clock. */
  constructor(rp2040, name, irq, onSent) {
    super(rp2040, name);
    this.irq = irq;
    this.onSent = onSent;
    this.clock = rp2040.clock;
    this.ibrd = this.fbrd = this.lcr = this.mask = this.raw = this.errors = 0;
    this.cr = CR_TXE | CR_RXE;
    this.ifls = 0x12;
    this.tx = [];
    this.rx = [];
    this.overrun = false;
    this.shifting = null;
    this.shiftAlarm = this.clock.createAlarm(() => this.#shifted());
    this.timeoutAlarm = this.clock.createAlarm(() => this.#raise(INT_RT));
  }

  /** Time of one bit in ns (DDI 0183 section 3.2.3: 16 ticks of the divided clk_peri). */
  get bitNs() {
    return ((this.ibrd + this.fbrd / 64) * 16e9) / this.rp2040.clkPeri;
  }

  /** Bits of one character, start and stop bits included. */
  get characterBits() {
    const parity = this.lcr & LCR_PEN ? 1 : 0;
    return 1 + 5 + ((this.lcr >> 5) & 3) + parity + (this.lcr & LCR_STP2 ? 2 : 1);
  }

  /** Whether a byte is being sent or waits for that. */
  get busy() {
    return this.shifting !== null || this.tx.length > 0;
  }

  /** 'N', 'E' or 'O'. */
  get parity() {
    if (!(this.lcr & LCR_PEN)) return "N";
    return this.lcr & LCR_EPS ? "E" : "O";
  }

  /** The firmware's clk_peri has changed: the next byte has the new time. The emulator calls this on its UARTs. */
  clkPeriChanged() {}

  /** A byte whose last stop bit is just over, from a sender with this time of a bit and this parity. */
  receive(value, bitNs, parity) {
    if (!(this.cr & CR_UARTEN) || !(this.cr & CR_RXE) || !this.bitNs) return;
    let word = value & (0xff >> (3 - ((this.lcr >> 5) & 3)));
    if (Math.abs(bitNs / this.bitNs - 1) > BAUD_TOLERANCE) word |= DR_FE;
    else if (parity !== this.parity) word |= this.parity === "N" ? DR_FE : DR_PE;
    if (this.rx.length >= this.#size()) {
      this.overrun = true;
      this.#raise(INT_OE);
      return;
    }
    if (this.overrun) word |= DR_OE;
    this.overrun = false;
    this.rx.push(word);
    if (word & DR_FE) this.raw |= INT_FE;
    if (word & DR_PE) this.raw |= INT_PE;
    if (this.rx.length >= this.#trigger(this.ifls >> 3)) this.raw |= INT_RX;
    this.timeoutAlarm.schedule(TIMEOUT_BITS * this.bitNs);
    this.#interrupt();
  }

  readUint32(offset) {
    switch (offset) {
      case DR: return this.#fetch();
      case RSR: return this.errors;
      case FR: return this.#flags();
      case IBRD: return this.ibrd;
      case FBRD: return this.fbrd;
      case LCR_H: return this.lcr;
      case CR: return this.cr;
      case IFLS: return this.ifls;
      case IMSC: return this.mask;
      case RIS: return this.raw;
      case MIS: return this.raw & this.mask;
      case ICR: case DMACR: return 0;
    }
    if (offset >= PERIPHID0) return ID[(offset - PERIPHID0) >> 2];
    return super.readUint32(offset);
  }

  writeUint32(offset, value) {
    switch (offset) {
      case DR: return this.#put(value & 0xff);
      case RSR: this.errors = 0; return;
      case IBRD: this.ibrd = value & 0xffff; return;
      case FBRD: this.fbrd = value & 0x3f; return;
      case LCR_H: this.lcr = value & 0xff; return;
      case CR: this.cr = value & 0xffff; return this.#shift();
      case IFLS: this.ifls = value & 0x3f; return;
      case IMSC: this.mask = value & 0x7ff; return this.#interrupt();
      case ICR: this.raw &= ~this.rawWriteValue; return this.#interrupt();
      case DMACR: return;
    }
    super.writeUint32(offset, value);
  }

  #size() {
    return this.lcr & LCR_FEN ? FIFO_SIZE : 1;
  }

  #trigger(select) {
    return this.lcr & LCR_FEN ? LEVELS[select & 7] : 1;
  }

  #flags() {
    return (this.busy ? FR_BUSY : 0)
      | (this.rx.length ? 0 : FR_RXFE) | (this.rx.length >= this.#size() ? FR_RXFF : 0)
      | (this.tx.length ? 0 : FR_TXFE) | (this.tx.length >= this.#size() ? FR_TXFF : 0);
  }

  #fetch() {
    if (!this.rx.length) return 0;
    const word = this.rx.shift();
    this.errors = word >> 8;
    if (this.rx.length < this.#trigger(this.ifls >> 3)) this.raw &= ~INT_RX;
    if (!this.rx.length) {
      this.raw &= ~INT_RT;
      this.timeoutAlarm.cancel();
    }
    this.#interrupt();
    return word;
  }

  #put(value) {
    if (this.tx.length >= this.#size()) return; // the hardware drops it too
    this.tx.push(value);
    this.#shift();
    if (this.tx.length > this.#level()) this.raw &= ~INT_TX;
    this.#interrupt();
  }

  #level() {
    return this.lcr & LCR_FEN ? LEVELS[this.ifls & 7] : 0;
  }

  /** Begin with the next byte when the shift register is free. */
  #shift() {
    if (this.shifting || !this.tx.length || !(this.cr & CR_UARTEN) || !(this.cr & CR_TXE) || !this.bitNs) return;
    const start = this.clock.nanos, bitNs = this.bitNs;
    const before = this.tx.length;
    this.shifting = { start, end: start + this.characterBits * bitNs, value: this.tx.shift(), bitNs };
    this.shiftAlarm.schedule(this.shifting.end - start);
    // The interrupt is the passing of the level on the way down, not being below it (DDI 0183 section 2.8.2).
    if (before > this.#level() && this.tx.length <= this.#level()) this.#raise(INT_TX);
  }

  #shifted() {
    const sent = this.shifting;
    this.shifting = null;
    this.onSent(sent);
    this.#shift();
  }

  #raise(bits) {
    this.raw |= bits;
    this.#interrupt();
  }

  #interrupt() {
    this.rp2040.setInterrupt(this.irq, (this.raw & this.mask) !== 0);
  }
}

module.exports = { Pl011 };
