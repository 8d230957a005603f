"use strict";
/*
 * node compare_cores.js FAST_CORE SEED COUNT: random instructions by our quick core and by rp2040js, from equal states;
 * prints the first that ends otherwise, or how many of them the quick core did.
 */
const { RP2040 } = require("rp2040js");
const [fastPath, seed, count] = process.argv.slice(2);
const { FastCore } = require(fastPath);

const CODE = 0x20000000, DATA = 0x20001000, RAM_WORDS = 2048, FLASH = 0x10000000;
const PERIPHERALS = [0xd0000000, 0xd0000020, 0x40034000, 0x40038000, 0x40054000]; // divider, UARTs, timer
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
let state = Number(seed) >>> 0 || 1;

function random(bound) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % bound;
}

function word() {
  const kind = random(8);
  if (kind === 0) return random(40);
  if (kind === 1) return [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x80000001, 0xfffffffe][random(7)];
  if (kind < 5) return DATA + random(64) * 4 + (random(8) ? 0 : random(4));
  if (kind === 5) return random(2) ? FLASH + random(64) * 4 : PERIPHERALS[random(PERIPHERALS.length)];
  return (random(0x10000) << 16 | random(0x10000)) >>> 0;
}

function made() {
  const chip = new RP2040();
  chip.logger = QUIET;
  chip.onBreak = () => {};
  return chip;
}

const [one, other] = [made(), made()];
const fast = new FastCore(one);
const rom = new Uint32Array(4096).map(() => word());
for (const chip of [one, other]) {
  chip.loadBootrom(rom);
  for (let i = 0; i < 256; i++) chip.flashView.setUint32(4 * i, (i * 2654435761) >>> 0, true);
}

const KEYS = ["N", "Z", "C", "V", "PM", "cycles", "waiting", "interruptsUpdated", "currentMode", "IPSR"];
const shown = (chip) => JSON.stringify({ r: [...chip.core.registers], ...Object.fromEntries(KEYS.map((key) => [key, chip.core[key]])) });
const ram = new Uint32Array(RAM_WORDS);

/** Where rp2040js 1.4.1 is wrong (ARMv6-M ARM, A2.2.1 and A6.7): not compared. */
function isWrongThere(op, r, carry) {
  const [m, dn] = [r[(op >> 3) & 7], r[op & 7]];
  if (op === 0x47f0) return true; // BLX LR goes to the link that it has just set
  switch (op >> 6) {
    case 0x102: case 0x103: case 0x104: case 0x107:
      return (m & 0xff) === 0 || (m & 0xff) > 31;
    case 0x105:
      return carry && (dn === 0x7fffffff || dn === 0xffffffff);
    case 0x106:
      return !carry && (m === 0x7fffffff || m === 0xffffffff);
  }
  return false;
}

let done = 0, tried = 0;
while (tried < Number(count)) {
  const op = random(0x10000), second = random(3) ? 0xd000 | random(0x3000) : random(0x10000);
  const at = random(16) ? CODE + 2 * random(64) : 2 * random(4096) & 0x3ffe;
  for (let i = 0; i < 1024; i++) ram[i] = 0;
  for (let i = 1024; i < 1152; i++) ram[i] = word();
  const registers = Array.from({ length: 16 }, word);
  registers[13] = DATA + 4 * random(64);
  const flags = Array.from({ length: 4 }, () => random(2) === 1);
  if (isWrongThere(op, registers, flags[2])) continue;
  tried++;
  for (const chip of [one, other]) {
    new Uint32Array(chip.sram.buffer).set(ram);
    chip.core.registers.set(registers);
    chip.core.registers[15] = at;
    [chip.core.N, chip.core.Z, chip.core.C, chip.core.V] = flags;
    chip.core.PM = chip.core.waiting = chip.core.interruptsUpdated = false;
    chip.core.pendingSVCall = false;
    chip.core.currentMode = chip.core.IPSR = chip.core.cycles = 0;
    if (at < 0x4000) {
      chip.bootrom[at >> 2] = op * 0x10001;
      chip.bootrom[(at >> 2) + 1 & 4095] = second * 0x10001;
    } else {
      new DataView(chip.sram.buffer).setUint16(at - CODE, op, true);
      new DataView(chip.sram.buffer).setUint16(at - CODE + 2, second, true);
    }
    chip.clock.nanosCounter = 0;
  }
  if (fast.run(0.5, 1)) {
    done++;
    const apart = one.core.cycles - one.clock.nanosCounter; // a division of the emulator's takes no time
    if (apart !== 0 && apart !== 8) throw new Error("the clock and the cycles differ");
  } else {
    const before = shown(one);
    if (one.core.cycles) throw new Error(`opcode ${op.toString(16)} was begun and not done: ${before}`);
    continue;
  }
  other.core.executeInstruction();
  const [here, there] = [shown(one), shown(other)];
  const memory = Buffer.compare(Buffer.from(one.sram.buffer, 0, 4 * RAM_WORDS), Buffer.from(other.sram.buffer, 0, 4 * RAM_WORDS));
  if (here !== there || memory) {
    console.log(`opcode ${op.toString(16)} ${second.toString(16)} at ${at.toString(16)}, from ${registers} ${flags}`);
    console.log(`ours   ${here}\nrp2040 ${there}${memory ? "\nand memories differ" : ""}`);
    process.exit(1);
  }
}
console.log(JSON.stringify({ tried, done }));
