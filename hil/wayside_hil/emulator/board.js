"use strict";
/*
 * A Pico on its supply: chips come and go by reset and power cut, flash and time stay.
 *
 * Everything is timed by simulated nanoseconds and every random number comes from one seed: the same inputs at the same
 * times give the same events.
 */
const { RP2040, BasePeripheral, GPIOPinState } = require("rp2040js");
const { Console } = require("./console.js");
const { FastCore } = require("./fast_core.js");
const { romFunction, patch } = require("./flash.js");
const { Pl011 } = require("./pl011.js");

const UART_IRQ = [20, 21];
// Pins that can be a UART's TX and RX (RP2040 datasheet, table 2 of section 1.4.3); function 2 is UART.
const UART_TX = [[0, 12, 16, 28], [4, 8, 20, 24]];
const UART_RX = [[1, 13, 17, 29], [5, 9, 21, 25]];
const FUNCTION_UART = 2;
const PERIPHERAL = { uart: [0x40034, 0x40038], watchdog: 0x40058, rosc: 0x40060 };
const FLASH_BASE = 0x10000000;
const BOOT2_SIZE = 252; // and its CRC-32 in the next word: datasheet section 2.8.1.3.1
const BREAK_BOOTSEL = 0xe2;
const OUTPUT_LEVEL = new Map([[GPIOPinState.Low, 0], [GPIOPinState.High, 1]]);
const WATCHDOG_LOAD = 0x04; // datasheet section 4.7.7
const SHORT_NS = 5e8; // the watchdog is fed twice a second at most
const UNFED_NAP_NS = 15e8; // shorter than any watchdog
const WORK_NS = 1e9; // of a processor that never sleeps: some seconds of ours, many times that beside other work
const ROUNDING_NS = 0.5; // what comes of dividing by the crystal's error and multiplying with it

class Reset extends Error {}

/** The ring oscillator's random bit (datasheet section 2.17.3), from the board's seed. Its status says: stable. */
class Rosc extends BasePeripheral {
  constructor(rp2040, random) {
    super(rp2040, "ROSC");
    this.random = random;
  }

  readUint32(offset) {
    if (offset === 0x1c) return this.random() & 1;
    return offset === 0x18 ? 0x80001000 : 0;
  }

  writeUint32() {}
}

class Board {
  /**
   * usb: whether a host is plugged in; seed: of the random numbers, not 0; ask({spi, at, value}): what the device on that
   * SPI says to a byte, or at a time of which it has said that something happens: {value, pins: {pin: level}, wake: ns};
   * ask({i2c, connect | write | read | stop}): what the chips on that bus say: {ack, value}.
   */
  constructor({ flash, bootrom, usb, seed, ask }) {
    this.flash = flash;
    this.bootrom = bootrom;
    this.usb = usb;
    this.usbReads = true;
    this.seed = seed >>> 0 || 1;
    this.rate = 1; // nanoseconds that the chip counts in one of the world's
    this.random = () => this.#random();
    this.ask = ask;
    this.wakes = new Map(); // by the number of each SPI with a device: when that wants to be asked next
    this.buses = new Set(); // the numbers of each I2C with chips
    this.levels = new Map(); // what the world outside drives the pins to
    this.analogue = [0, 0, 0, 0]; // what it puts on the converter's inputs, 0 to 4095
    this.events = [];
    this.inputs = []; // {at, apply}, sorted; at in ns of the board's time
    this.base = 0; // board time of the chip's time 0
    this.chip = null;
    this.offNow = 0;
    this.cut = null;
    this.#powerUp();
  }

  /** Board time in ns. */
  get now() {
    return this.chip ? this.#time(this.chip.clock.nanos) : this.offNow;
  }

  /** Board time of the chip's time. */
  #time(nanos) {
    return this.base + nanos / this.rate;
  }

  /**
   * Go on until `until`; what happened is in `events`. nap: with one it ends with the first event, or when the processor
   * has worked for a second, and while it sleeps and no line is busy, what would wake it comes up to so many ns late, or
   * with the next input.
   */
  run(until, nap = 0) {
    this.worked = 0;
    while (this.now < until - ROUNDING_NS && !(nap && (this.events.length || this.worked > WORK_NS))) {
      if (!this.chip) {
        this.#runOff(until);
        continue;
      }
      const end = Math.ceil((until - this.base) * this.rate);
      try {
        nap ? this.#restChip(end, nap) : this.#runChip(end);
      } catch (reason) {
        if (!(reason instanceof Reset)) throw reason;
        reason.message === "power" ? this.#powerDown() : this.#watchdogReset();
      }
    }
  }

  /** Have `apply()` called at the board's time `at`, in the order of the calls where times are equal. */
  schedule(at, apply) {
    let place = this.inputs.length;
    while (place > 0 && this.inputs[place - 1].at > at) place--;
    this.inputs.splice(place, 0, { at, apply });
    if (place === 0) this.#arm();
  }

  cutPower(at) {
    this.schedule(at, () => {
      if (this.chip) throw new Reset("power");
    });
  }

  /** Let the supply fail `after` ns into the flash operation that comes after `skip` others. */
  cutPowerInFlash(skip, after) {
    this.cut = { skip, after };
  }

  restorePower(at) {
    this.schedule(at, () => {
      if (!this.chip) this.#powerUp();
    });
  }

  /** A byte on the UART's RX pin whose last stop bit ends at `at`. */
  sendByte(uart, value, at, bitNs, parity) {
    this.schedule(at, () => {
      if (this.chip && this.#wired(UART_RX[uart])) this.chip.uart[uart].receive(value, bitNs * this.rate, parity);
    });
  }

  setPin(pin, level, at) {
    this.schedule(at, () => this.#drive(pin, level));
  }

  /** How much too fast the crystal is from then on. */
  setCrystal(ppm, at) {
    this.schedule(at, () => {
      const { now } = this;
      this.rate = 1 + ppm / 1e6;
      if (this.chip) this.base = now - this.chip.clock.nanos / this.rate;
    });
  }

  setAnalogue(input, value, at) {
    this.schedule(at, () => {
      this.analogue[input] = value;
      if (this.chip) this.chip.adc.channelValues[input] = value;
    });
  }

  /** From now on a device answers on this SPI. */
  attachSpi(spi) {
    this.wakes.set(spi, null);
    if (this.chip) this.#wireSpi(spi);
  }

  /** From now on chips answer on this I2C. */
  attachI2c(number) {
    this.buses.add(number);
    if (this.chip) this.#wireI2c(number);
  }

  /** Something will happen in the device on this SPI. at: null: nothing that is known of. */
  wakeSpi(spi, at) {
    if (this.wakes.get(spi) === at) return;
    this.wakes.set(spi, at);
    if (at === null) return;
    this.schedule(Math.max(at, this.now), () => {
      if (this.wakes.get(spi) !== at) return; // it has changed its mind
      this.wakes.set(spi, null);
      this.#askDevice({ spi });
    });
  }

  /** Whether the host fetches what the firmware writes on USB from then on. */
  setUsbReads(reads, at) {
    this.schedule(at, () => {
      this.usbReads = reads;
      if (this.console) this.console.reads = reads;
    });
  }

  sendUsb(data, at) {
    this.schedule(at, () => {
      if (this.console) this.console.send(data);
    });
  }

  #runChip(end) {
    const { clock, core } = this.chip;
    while (clock.nanosCounter < end) {
      if (this.flash.busy || this.halted || core.waiting) {
        const alarm = clock.nextAlarm;
        clock.tick((alarm && alarm.nanos < end ? alarm.nanos : end) - clock.nanosCounter);
        continue;
      }
      this.#work(end);
    }
  }

  /** One instruction at least, and others up to the next alarm at most. */
  #work(end) {
    const { clock, core } = this.chip;
    const next = clock.nextAlarm;
    const isDone = !core.interruptsUpdated && this.fast.run(next && next.nanos < end ? next.nanos : end, this.cycleNs);
    if (!isDone) clock.nanosCounter += core.executeInstruction() * this.cycleNs;
    const alarm = clock.nextAlarm;
    if (alarm && alarm.nanos <= clock.nanosCounter) clock.tick(0);
  }

  #restChip(end, nap) {
    const { clock, core } = this.chip;
    while (clock.nanosCounter < end && !this.events.length && this.worked <= WORK_NS) {
      const alarm = clock.nextAlarm;
      if (this.flash.busy || this.halted || core.waiting) {
        let next = alarm ? alarm.nanos : end;
        // The input's own alarm, not its time: between the two lies the rounding, in which nothing would go on.
        const input = this.inputs.length ? this.inputAlarm.nanos : Infinity;
        const idle = core.waiting && !this.flash.busy && !this.#sends();
        if (idle) next = Math.min(next + (this.fed === null ? Math.min(nap, UNFED_NAP_NS) : nap), input);
        const span = Math.max(0, Math.min(next, end) - clock.nanosCounter);
        idle ? this.#leap(span) : clock.tick(span);
        continue;
      }
      const begun = clock.nanosCounter;
      this.#work(end);
      this.worked += clock.nanosCounter - begun;
    }
  }

  /**
   * A nap stands for many short sleeps in each of which the firmware does what it did when it was awake last: where it
   * fed the watchdog then, the nap ends with the watchdog just fed; where it did not, the watchdog bites in its time.
   */
  #leap(span) {
    const watchdog = this.chip.peripherals[PERIPHERAL.watchdog];
    const { timer, alarm } = watchdog;
    const feeds = this.fed !== null && alarm.enable && span > SHORT_NS;
    if (feeds) alarm.enable = false;
    this.chip.clock.tick(span);
    if (!feeds) return;
    timer.set(this.fed);
    alarm.enable = true;
    this.fed = null;
  }

  /** Whether a byte is on its way out. */
  #sends() {
    return this.chip.uart.some((uart) => uart.busy);
  }

  #runOff(until) {
    const due = this.inputs[0] && this.inputs[0].at < until ? this.inputs[0].at : until;
    this.offNow = Math.max(this.offNow, due);
    this.#applyInputs();
  }

  #applyInputs() {
    const now = this.now + ROUNDING_NS;
    while (this.inputs.length && this.inputs[0].at <= now) this.inputs.shift().apply();
    this.#arm();
  }

  /** Let the chip's clock stop at the next input. */
  #arm() {
    if (this.chip && this.inputs.length) this.inputAlarm.schedule(Math.max(0, (this.inputs[0].at - this.now) * this.rate));
  }

  #powerUp() {
    this.base = this.offNow;
    this.#newChip();
    this.#tell("reset", { cause: "power" });
    this.#boot();
  }

  #powerDown() {
    this.flash.fail();
    this.offNow = this.now;
    this.chip = null;
    this.console = null;
    this.#tell("reset", { cause: "off" });
    this.#applyInputs();
  }

  #watchdogReset() {
    const old = this.chip;
    const { reason, scratchData } = old.peripherals[PERIPHERAL.watchdog];
    this.base = this.now;
    this.#newChip();
    // A reset by the watchdog spares the memory and the watchdog's own notes (datasheet section 4.7.4).
    this.chip.sram.set(old.sram);
    const watchdog = this.chip.peripherals[PERIPHERAL.watchdog];
    watchdog.reason = reason;
    watchdog.scratchData.set(scratchData);
    this.#tell("reset", { cause: reason & 2 ? "forced" : "watchdog" });
    this.#boot();
  }

  #newChip() {
    const chip = new RP2040();
    chip.logger = { debug() {}, info() {}, warn() {}, error() {} };
    chip.loadBootrom(this.bootrom);
    chip.uart = [0, 1].map((n) => new Pl011(chip, `UART${n}`, UART_IRQ[n], (sent) => this.#sent(n, sent)));
    PERIPHERAL.uart.forEach((place, n) => (chip.peripherals[place] = chip.uart[n]));
    chip.peripherals[PERIPHERAL.rosc] = new Rosc(chip, this.random);
    chip.peripherals[PERIPHERAL.watchdog].onWatchdogTrigger = () => {
      throw new Reset("watchdog");
    };
    this.fed = null; // with how much the watchdog was fed since the last nap
    const watchdog = chip.peripherals[PERIPHERAL.watchdog];
    const write = watchdog.writeUint32.bind(watchdog);
    watchdog.writeUint32 = (offset, value) => {
      if (offset === WATCHDOG_LOAD) this.fed = value;
      write(offset, value);
    };
    maskWhileWaiting(chip.core);
    this.fast = new FastCore(chip);
    chip.onBreak = (code) => this.#break(code);
    chip.gpio.forEach((pin) => pin.addListener((value, before) => this.#edge(pin.index, value, before)));
    this.levels.forEach((level, pin) => chip.gpio[pin].setInputValue(level));
    this.analogue.forEach((value, input) => (chip.adc.channelValues[input] = value));
    chip.addClockListener((hz) => (this.cycleNs = 1e9 / hz));
    this.cycleNs = 1e9 / chip.clkSys;
    this.chip = chip;
    for (const spi of this.wakes.keys()) this.#wireSpi(spi);
    for (const bus of this.buses) this.#wireI2c(bus);
    this.halted = false;
    this.inputAlarm = chip.clock.createAlarm(() => this.#applyInputs());
    this.flash.attach(chip, this.random, () => this.#writes(), (work) => this.#wrote(work));
    patch(chip, romFunction(chip, "UB"), BREAK_BOOTSEL);
    this.console = this.usb ? new Console(chip.usbCtrl, (data) => this.#tell("usb", { data: hex(data) })) : null;
    if (this.console) this.console.reads = this.usbReads;
    this.#arm();
  }

  /** What the boot ROM does: start the second stage when its checksum is right, else wait as a USB volume. */
  #boot() {
    const { flash } = this.chip;
    const boot2 = flash.subarray(0, BOOT2_SIZE);
    if (crc32(boot2) === new DataView(flash.buffer).getUint32(BOOT2_SIZE, true)) this.chip.core.PC = FLASH_BASE;
    else this.#bootsel();
  }

  #bootsel() {
    this.halted = true;
    this.#tell("reset", { cause: "bootsel" });
  }

  #break(code) {
    if (this.flash.onBreak(code)) return;
    if (code === BREAK_BOOTSEL) return this.#bootsel();
    this.halted = true;
    this.#tell("fault", { code, pc: this.chip.core.PC });
  }

  /** The emulator's SPI has all its bits at once; here a word takes its time, and its answer comes with its last bit. */
  #wireSpi(number) {
    const spi = this.chip.spi[number];
    let begun = null;
    const over = this.chip.clock.createAlarm(() => spi.completeTransmit(this.#askDevice({ spi: number, ...begun })));
    spi.onTransmit = (value) => {
      begun = { value, start: Math.round(this.now) };
      over.schedule((spi.dataBits * 1e9) / spi.clockFrequency);
    };
  }

  /** A byte and its acknowledgement are nine bits, a start or a stop is one. */
  #wireI2c(number) {
    const i2c = this.chip.i2c[number];
    let done = null;
    const over = this.chip.clock.createAlarm(() => done());
    const after = (bits, then) => {
      done = then;
      over.schedule((bits * (i2c.sclLowPeriod + i2c.sclHighPeriod) * 1e9) / this.chip.clkPeri);
    };
    const ask = (what) => this.ask({ i2c: number, ...what });
    i2c.onStart = () => after(1, () => i2c.completeStart());
    i2c.onConnect = (address, mode) => after(9, () => i2c.completeConnect(ask({ connect: address, reads: mode === 1 }).ack));
    i2c.onWriteByte = (value) => after(9, () => i2c.completeWrite(ask({ write: value }).ack));
    i2c.onReadByte = () => after(9, () => i2c.completeRead(ask({ read: 1 }).value));
    i2c.onStop = () =>
      after(1, () => {
        ask({ stop: 1 });
        i2c.completeStop();
      });
  }

  #askDevice(question) {
    const { value, pins, wake } = this.ask({ ...question, at: Math.round(this.now) });
    for (const [pin, level] of Object.entries(pins)) this.#drive(Number(pin), Boolean(level));
    this.wakeSpi(question.spi, wake);
    return value;
  }

  #drive(pin, level) {
    this.levels.set(pin, level);
    if (this.chip) this.#settlePad(pin, this.chip.gpio[pin].value);
  }

  /** What the pad reads: its own output, else what the world drives it to, else its resistor (datasheet section 2.19.4). */
  #settlePad(pin, value) {
    const gpio = this.chip.gpio[pin];
    const level = OUTPUT_LEVEL.get(value) ?? this.levels.get(pin) ?? value === GPIOPinState.InputPullUp;
    // An equal level is no edge; the emulator would take it for one.
    if (Boolean(level) !== gpio.rawInputValue) gpio.setInputValue(Boolean(level));
  }

  #wired(pins) {
    return pins.some((n) => this.chip.gpio[n].functionSelect === FUNCTION_UART);
  }

  #sent(uart, { start, end, value, bitNs }) {
    if (!this.#wired(UART_TX[uart])) return;
    const { parity } = this.chip.uart[uart];
    this.#tell("uart", { uart, value, start: Math.round(this.#time(start)), end: Math.round(this.#time(end)), bit_ns: bitNs / this.rate, parity });
  }

  #edge(pin, value, before) {
    const [level, old] = [OUTPUT_LEVEL.get(value) ?? null, OUTPUT_LEVEL.get(before) ?? null];
    if (level !== old) this.#tell("pin", { pin, level });
    this.#settlePad(pin, value);
  }

  #writes() {
    if (this.cut && this.cut.skip-- === 0) {
      this.cutPower(this.now + this.cut.after);
      this.cut = null;
    }
  }

  #wrote({ kind, start, offset, size, done, cut }) {
    this.#tell("flash", { kind, offset, size, done, cut, start: Math.round(this.#time(start)) });
  }

  #tell(type, what) {
    this.events.push({ type, at: Math.round(this.now), ...what });
  }

  /** Eight random bits: xorshift32 (Marsaglia, Journal of Statistical Software 8(14), 2003). */
  #random() {
    let x = this.seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.seed = x >>> 0;
    return (this.seed >>> 11) & 0xff;
  }
}

/** An interrupt that PRIMASK holds back ends WFI and is not taken (ARMv6-M B1.5.18); the emulator takes it. */
function maskWhileWaiting(core) {
  const check = core.checkForInterrupts.bind(core);
  core.checkForInterrupts = () =>
    core.waiting && core.PM ? (core.pendingInterrupts & core.enabledInterrupts) !== 0 : check();
}

/** The boot ROM's CRC-32: polynomial 0x04c11db7, most significant bit first, start at all ones, not inverted. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

const hex = (data) => Buffer.from(data).toString("hex");

module.exports = { Board };
