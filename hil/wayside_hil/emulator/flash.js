"use strict";
/*
 * The Pico's flash (Winbond W25Q16JV, 2 MiB) behind the boot ROM's erase and program routines.
 *
 * The emulator has no flash that can be written. Breakpoints take the place of the first instruction of the ROM's
 * routines, found in its table (RP2040 datasheet section 2.8.3); an operation then takes the flash's typical time, in
 * which the processor stands still and everything else goes on, and does its work byte by byte: a power cut leaves it
 * half done. What is programmed goes to a file at once, so that it outlives this process too.
 */
const fs = require("node:fs");

const SIZE = 2 * 1024 * 1024, SECTOR = 4096, PAGE = 256;
const ERASE_NS = 45e6, PROGRAM_NS = 0.4e6; // W25Q16JV section 9.6: tSE and tPP, typical
const STEPS = 16; // of an operation on one sector or page: between two of them the power can fail
const BREAK_ERASE = 0xe0, BREAK_PROGRAM = 0xe1;
const ROM_TABLE = 0x14; // half-word pointer to pairs of half-words: code, address

class Flash {
  constructor(path) {
    this.file = fs.openSync(path, "r+");
    this.content = new Uint8Array(SIZE).fill(0xff);
    fs.readSync(this.file, this.content, 0, SIZE, 0);
    this.busy = false;
  }

  /** Become the flash of a new chip whose boot ROM is loaded. onBegin() and onDone(work) tell of each operation. */
  attach(chip, random, onBegin, onDone) {
    this.chip = chip;
    this.random = random;
    this.onBegin = onBegin;
    this.onDone = onDone;
    this.busy = false;
    this.work = null;
    chip.flash.fill(0xff);
    chip.flash.set(this.content);
    this.alarm = chip.clock.createAlarm(() => this.#step());
    patch(chip, romFunction(chip, "RE"), BREAK_ERASE);
    patch(chip, romFunction(chip, "RP"), BREAK_PROGRAM);
  }

  /** The processor met a breakpoint; false when it is none of ours. Arguments as the ROM's routines have them. */
  onBreak(code) {
    const [offset, second, third] = this.chip.core.registers;
    if (code === BREAK_ERASE) this.#begin("erase", offset, second, null);
    else if (code === BREAK_PROGRAM) this.#begin("program", offset, third, this.#copy(second, third));
    else return false;
    return true;
  }

  /** The supply has failed: what is under way stays half done, its step just begun in any state. */
  fail() {
    if (!this.busy) return;
    const { kind, offset, done, step, data } = this.work;
    for (let at = done; at < done + step; at++) {
      const noise = this.random();
      if (kind === "erase") this.content[offset + at] |= noise;
      else this.content[offset + at] &= data[at] | noise;
    }
    this.#keep(offset + done, step);
    this.onDone({ ...this.work, cut: true });
    this.alarm.cancel();
    this.busy = false;
  }

  /** Bits turn over by themselves. */
  flip(offset, mask) {
    this.content[offset] ^= mask;
    if (this.chip) this.chip.flash[offset] = this.content[offset];
    fs.writeSync(this.file, this.content, offset, 1, offset);
  }

  close() {
    fs.closeSync(this.file);
  }

  #copy(address, size) {
    const data = new Uint8Array(size);
    for (let i = 0; i < size; i++) data[i] = this.chip.readUint8(address + i);
    return data;
  }

  #begin(kind, offset, size, data) {
    const unit = kind === "erase" ? SECTOR : PAGE;
    if (offset + size > SIZE || offset % unit || size % unit) throw new Error(`flash: ${kind} of ${size} at ${offset}`);
    const step = unit / STEPS;
    const stepNs = (kind === "erase" ? ERASE_NS : PROGRAM_NS) / STEPS;
    this.work = { kind, start: this.chip.clock.nanos, offset, size, data, done: 0, step, stepNs, cut: false };
    this.busy = true;
    this.onBegin();
    if (size) this.alarm.schedule(stepNs);
    else this.#finish();
  }

  #step() {
    const { kind, offset, size, data, done, step, stepNs } = this.work;
    const target = this.content.subarray(offset + done, offset + done + step);
    if (kind === "erase") target.fill(0xff);
    else for (let i = 0; i < step; i++) target[i] &= data[done + i]; // NOR: programming only clears bits
    this.#keep(offset + done, step);
    this.work.done += step;
    if (this.work.done < size) this.alarm.schedule(stepNs);
    else this.#finish();
  }

  #finish() {
    this.busy = false;
    this.onDone(this.work);
    const { core } = this.chip;
    core.PC = core.LR & ~1; // return from the ROM's routine
  }

  #keep(offset, size) {
    this.chip.flash.set(this.content.subarray(offset, offset + size), offset);
    fs.writeSync(this.file, this.content, offset, size, offset);
  }
}

/** Address of the ROM's routine with this two-letter code. */
function romFunction(chip, code) {
  const wanted = code.charCodeAt(0) | (code.charCodeAt(1) << 8);
  for (let at = chip.readUint16(ROM_TABLE); chip.readUint16(at); at += 4) {
    if (chip.readUint16(at) === wanted) return chip.readUint16(at + 2) & ~1;
  }
  throw new Error(`the boot ROM has no routine ${code}`);
}

/** Put a breakpoint over the instruction at an address of the ROM. */
function patch(chip, address, code) {
  const shift = (address & 2) * 8;
  const word = chip.bootrom[address >> 2];
  chip.bootrom[address >> 2] = (word & ~(0xffff << shift)) | ((0xbe00 | code) << shift);
}

module.exports = { Flash, romFunction, patch, SIZE };
