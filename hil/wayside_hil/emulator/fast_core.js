"use strict";
/*
 * The processor's everyday instructions, several times as quick as the emulator's own loop of comparisons.
 *
 * What touches registers, flags, RAM, flash, boot ROM and the divider only is done here, in the cycles that rp2040js
 * takes for it; so is the reading of what loops look at, of whose instructions there are millions.
 * Everything else (peripherals, exceptions, barriers, sleep, what is not aligned) is left to it: run() stops in front of
 * it, with all that it has done written back. Encodings: ARMv6-M Architecture Reference Manual, A5.2; flags: A6.7.
 *
 * Each addressing mode has its reads and writes in its own case: in one place behind the switch they took 1.4 times as
 * long.
 *
 * A test compares both with random instructions. They differ where 1.4.1 is wrong: C after a shift by a register that
 * holds 0 or more than 32, V of ADCS and SBCS where operand and carry overflow together, BLX LR.
 */
const FLASH_BASE = 0x10000000, RAM_BASE = 0x20000000, SIO_BASE = 0xd0000000;
const DIVIDER = SIO_BASE + 0x60, DIVIDER_RESULT = SIO_BASE + 0x70, DIVIDER_END = SIO_BASE + 0x78; // datasheet 2.3.1.7
// What loops look at: flags of both UARTs, the timer's raw halves (sections 4.2.8, 4.6.5). A read changes nothing.
const LOOKED_AT = new Set([0x40034018, 0x40038018, 0x40054024, 0x40054028]);

/** How many registers a list has. */
function bits(list) {
  let count = 0;
  for (; list; list &= list - 1) count++;
  return count;
}

class FastCore {
  constructor(chip) {
    this.chip = chip;
    this.flash16 = new Uint16Array(chip.flash.buffer);
    this.flash32 = new Uint32Array(chip.flash.buffer);
    this.ram16 = new Uint16Array(chip.sram.buffer);
    this.ram32 = new Uint32Array(chip.sram.buffer);
    this.rom16 = new Uint16Array(chip.bootrom.buffer);
  }

  /** One instruction, and others until the clock has come to `limit` (ns); false in front of one that is not done here. */
  run(limit, cycleNs) {
    const { chip, flash16, flash32, ram16, ram32, rom16 } = this;
    const { core, clock, flash, sram, bootrom, sio } = chip;
    const r = core.registers;
    const flashSize = flash.length, ramSize = sram.length, romSize = bootrom.length * 4;
    let { N, Z, C, V } = core;
    let pc = r[15];
    const begun = clock.nanosCounter;
    const most = (limit - begun) / cycleNs; // whole numbers: a time for each instruction took a seventh longer
    let cycles = 0;
    let known = true;

    do {
      const fetched = pc & ~1;
      let op, place;
      if ((place = (fetched - FLASH_BASE) >>> 0) < flashSize) op = flash16[place >> 1];
      else if ((place = (fetched - RAM_BASE) >>> 0) < ramSize) op = ram16[place >> 1];
      else if (fetched >= 0 && fetched < romSize) op = rom16[fetched >> 1];
      else {
        known = false;
        break;
      }
      let spent = 1;
      let next = pc + 2;
      let a, b, d, sum, at, count, list;

      switch (op >> 11) {
        case 0x00: // LSLS immediate
          a = r[(op >> 3) & 7];
          b = (op >> 6) & 31;
          d = a << b;
          if (b) C = ((a >>> (32 - b)) & 1) !== 0;
          N = d < 0;
          Z = d === 0;
          r[op & 7] = d;
          break;
        case 0x01: // LSRS immediate; 0 means 32
          a = r[(op >> 3) & 7];
          b = (op >> 6) & 31;
          d = b ? a >>> b : 0;
          C = ((a >>> (b ? b - 1 : 31)) & 1) !== 0;
          N = false;
          Z = d === 0;
          r[op & 7] = d;
          break;
        case 0x02: // ASRS immediate; 0 means 32
          a = r[(op >> 3) & 7] | 0;
          b = (op >> 6) & 31;
          d = a >> (b || 31);
          C = ((a >> (b ? b - 1 : 31)) & 1) !== 0;
          N = d < 0;
          Z = d === 0;
          r[op & 7] = d;
          break;
        case 0x03: // ADDS, SUBS: register or three bits
          a = r[(op >> 3) & 7];
          b = (op >> 6) & 7;
          if (!(op & 0x400)) b = r[b];
          if (op & 0x200) {
            d = (a - b) | 0;
            C = a >= b;
            V = ((a ^ b) & (a ^ d)) < 0;
          } else {
            sum = a + b;
            d = sum | 0;
            C = sum > 0xffffffff;
            V = ((a ^ d) & (b ^ d)) < 0;
          }
          N = d < 0;
          Z = d === 0;
          r[op & 7] = d;
          break;
        case 0x04: // MOVS immediate
          d = op & 0xff;
          N = false;
          Z = d === 0;
          r[(op >> 8) & 7] = d;
          break;
        case 0x05: // CMP immediate
          a = r[(op >> 8) & 7];
          b = op & 0xff;
          d = (a - b) | 0;
          C = a >= b;
          V = (a & ~d) < 0;
          N = d < 0;
          Z = d === 0;
          break;
        case 0x06: // ADDS immediate
          a = r[(op >> 8) & 7];
          sum = a + (op & 0xff);
          d = sum | 0;
          C = sum > 0xffffffff;
          V = (~a & d) < 0;
          N = d < 0;
          Z = d === 0;
          r[(op >> 8) & 7] = d;
          break;
        case 0x07: // SUBS immediate
          a = r[(op >> 8) & 7];
          b = op & 0xff;
          d = (a - b) | 0;
          C = a >= b;
          V = (a & ~d) < 0;
          N = d < 0;
          Z = d === 0;
          r[(op >> 8) & 7] = d;
          break;

        case 0x08:
          if (op & 0x400) {
            // High registers and branches
            a = (op >> 3) & 15;
            b = ((op >> 4) & 8) | (op & 7);
            const value = a === 15 ? pc + 4 : r[a];
            switch ((op >> 8) & 3) {
              case 0: // ADD
                d = (b === 15 ? pc + 4 : r[b]) + value;
                if (b === 15) {
                  next = (d & ~1) >>> 0;
                  spent++;
                } else r[b] = b === 13 ? d & ~3 : d;
                break;
              case 1: // CMP. With the program counter: not here
                if (a === 15 || b === 15) {
                  known = false;
                  break;
                }
                a = r[b];
                d = (a - value) | 0;
                C = a >= value;
                V = ((a ^ value) & (a ^ d)) < 0;
                N = d < 0;
                Z = d === 0;
                break;
              case 2: // MOV
                if (b === 15) {
                  next = (value & ~1) >>> 0;
                  spent++;
                } else r[b] = b === 13 ? value & ~3 : value;
                break;
              default: // BX, BLX. What may return from an exception, and what is none: not here
                if (a === 15 || op & 7 || value >>> 28 === 15) {
                  known = false;
                  break;
                }
                if (op & 0x80) r[14] = next | 1;
                next = (value & ~1) >>> 0;
                spent++;
            }
            break;
          }
          a = r[op & 7];
          b = r[(op >> 3) & 7];
          switch ((op >> 6) & 15) {
            case 0: // ANDS
              r[op & 7] = d = a & b;
              break;
            case 1: // EORS
              r[op & 7] = d = a ^ b;
              break;
            case 2: // LSLS, by the lowest byte of a register
              b &= 0xff;
              d = b > 31 ? 0 : a << b;
              if (b) C = b <= 32 && ((a >>> (32 - b)) & 1) !== 0;
              r[op & 7] = d;
              break;
            case 3: // LSRS
              b &= 0xff;
              d = b > 31 ? 0 : a >>> b;
              if (b) C = b <= 32 && ((a >>> (b - 1)) & 1) !== 0;
              r[op & 7] = d;
              break;
            case 4: // ASRS
              b &= 0xff;
              if (b > 32) b = 32;
              d = a >> (b > 31 ? 31 : b);
              if (b) C = ((a >>> (b - 1)) & 1) !== 0;
              r[op & 7] = d;
              break;
            case 5: // ADCS
              sum = a + b + (C ? 1 : 0);
              d = sum | 0;
              C = sum > 0xffffffff;
              V = ((a ^ d) & (b ^ d)) < 0;
              r[op & 7] = d;
              break;
            case 6: // SBCS
              sum = a - b - (C ? 0 : 1);
              d = sum | 0;
              C = sum >= 0;
              V = ((a ^ b) & (a ^ d)) < 0;
              r[op & 7] = d;
              break;
            case 7: // RORS
              d = (a >>> (b & 31)) | (a << (-b & 31));
              if (b & 0xff) C = d < 0;
              r[op & 7] = d;
              break;
            case 8: // TST
              d = a & b;
              break;
            case 9: // RSBS from 0
              d = -b | 0;
              C = b === 0;
              V = (b & d) < 0;
              r[op & 7] = d;
              break;
            case 10: // CMP
              d = (a - b) | 0;
              C = a >= b;
              V = ((a ^ b) & (a ^ d)) < 0;
              break;
            case 12: // ORRS
              r[op & 7] = d = a | b;
              break;
            case 13: // MULS
              r[op & 7] = d = Math.imul(a, b);
              break;
            case 14: // BICS
              r[op & 7] = d = a & ~b;
              break;
            case 15: // MVNS
              r[op & 7] = d = ~b;
              break;
            default: // CMN
              sum = a + b;
              d = sum | 0;
              C = sum > 0xffffffff;
              V = ((a ^ d) & (b ^ d)) < 0;
          }
          N = (d & 0x80000000) !== 0;
          Z = (d | 0) === 0;
          break;

        case 0x09: // LDR literal
          at = ((pc + 4) & ~3) + ((op & 0xff) << 2);
          if ((place = (at - FLASH_BASE) >>> 0) < flashSize) d = flash32[place >> 2];
          else if ((place = (at - RAM_BASE) >>> 0) < ramSize) d = ram32[place >> 2];
          else if (at >= 0 && at < romSize) d = bootrom[at >> 2];
          else {
            known = false;
            break;
          }
          r[(op >> 8) & 7] = d;
          spent = 2;
          break;

        case 0x0a: // STR, STRH, STRB, LDRSB: register
        case 0x0b: // LDR, LDRH, LDRB, LDRSH: register
          at = (r[(op >> 3) & 7] + r[(op >> 6) & 7]) >>> 0;
          place = (at - RAM_BASE) >>> 0;
          switch ((op >> 9) & 7) {
            case 0:
              if (place < ramSize && !(at & 3)) ram32[place >> 2] = r[op & 7];
              else known = false;
              break;
            case 1:
              if (place < ramSize && !(at & 1)) ram16[place >> 1] = r[op & 7];
              else known = false;
              break;
            case 2:
              if (place < ramSize) sram[place] = r[op & 7];
              else known = false;
              break;
            case 4:
              if (at & 3) known = false;
              else if (place < ramSize) r[op & 7] = ram32[place >> 2];
              else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) r[op & 7] = flash32[place >> 2];
              else if (at < romSize) r[op & 7] = bootrom[at >> 2];
              else known = false;
              break;
            case 5:
            case 7:
              if (at & 1) known = false;
              else if (place < ramSize) d = ram16[place >> 1];
              else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) d = flash16[place >> 1];
              else if (at < romSize) d = rom16[at >> 1];
              else known = false;
              if (known) r[op & 7] = op & 0x400 ? (d << 16) >> 16 : d;
              break;
            default: // LDRSB, LDRB
              if (place < ramSize) d = sram[place];
              else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) d = flash[place];
              else known = false;
              if (known) r[op & 7] = op & 0x800 ? d : (d << 24) >> 24;
          }
          spent = 2;
          break;

        case 0x0c: // STR immediate
          at = (r[(op >> 3) & 7] + ((op >> 4) & 0x7c)) >>> 0;
          place = (at - RAM_BASE) >>> 0;
          spent = 2;
          if (place < ramSize && !(at & 3)) ram32[place >> 2] = r[op & 7];
          else if (at >= DIVIDER && at < DIVIDER_RESULT && !(at & 3)) {
            sio.writeUint32(at - SIO_BASE, r[op & 7]);
            spent = 1;
          } else known = false;
          break;
        case 0x0d: // LDR immediate
          at = (r[(op >> 3) & 7] + ((op >> 4) & 0x7c)) >>> 0;
          spent = 2;
          if (at & 3) known = false;
          else if ((place = (at - RAM_BASE) >>> 0) < ramSize) r[op & 7] = ram32[place >> 2];
          else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) r[op & 7] = flash32[place >> 2];
          else if (at < romSize) r[op & 7] = bootrom[at >> 2];
          else if (at >= DIVIDER && at <= DIVIDER_END) {
            r[op & 7] = sio.readUint32(at - SIO_BASE);
            spent = 1;
          } else if (LOOKED_AT.has(at)) {
            clock.nanosCounter = begun + cycles * cycleNs;
            r[op & 7] = chip.readUint32(at);
            spent = 4;
          } else known = false;
          break;
        case 0x0e: // STRB immediate
          place = (r[(op >> 3) & 7] + ((op >> 6) & 31) - RAM_BASE) >>> 0;
          if (place < ramSize) sram[place] = r[op & 7];
          else known = false;
          spent = 2;
          break;
        case 0x0f: // LDRB immediate
          at = (r[(op >> 3) & 7] + ((op >> 6) & 31)) >>> 0;
          if ((place = (at - RAM_BASE) >>> 0) < ramSize) r[op & 7] = sram[place];
          else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) r[op & 7] = flash[place];
          else known = false;
          spent = 2;
          break;
        case 0x10: // STRH immediate
          at = (r[(op >> 3) & 7] + ((op >> 5) & 0x3e)) >>> 0;
          place = (at - RAM_BASE) >>> 0;
          if (place < ramSize && !(at & 1)) ram16[place >> 1] = r[op & 7];
          else known = false;
          spent = 2;
          break;
        case 0x11: // LDRH immediate
          at = (r[(op >> 3) & 7] + ((op >> 5) & 0x3e)) >>> 0;
          if (at & 1) known = false;
          else if ((place = (at - RAM_BASE) >>> 0) < ramSize) r[op & 7] = ram16[place >> 1];
          else if ((place = (at - FLASH_BASE) >>> 0) < flashSize) r[op & 7] = flash16[place >> 1];
          else if (at < romSize) r[op & 7] = rom16[at >> 1];
          else known = false;
          spent = 2;
          break;
        case 0x12: // STR on the stack
        case 0x13: // LDR from the stack
          at = r[13] + ((op & 0xff) << 2);
          place = (at - RAM_BASE) >>> 0;
          if (place >= ramSize || at & 3) known = false;
          else if (op & 0x800) r[(op >> 8) & 7] = ram32[place >> 2];
          else ram32[place >> 2] = r[(op >> 8) & 7];
          spent = 2;
          break;

        case 0x14: // ADR
          r[(op >> 8) & 7] = (fetched & ~3) + 4 + ((op & 0xff) << 2);
          break;
        case 0x15: // ADD of the stack pointer and an immediate
          r[(op >> 8) & 7] = r[13] + ((op & 0xff) << 2);
          break;

        case 0x16:
          switch ((op >> 8) & 7) {
            case 0: // ADD, SUB: stack pointer
              a = (op & 0x7f) << 2;
              r[13] = (op & 0x80 ? r[13] - a : r[13] + a) & ~3;
              break;
            case 2: // SXTH, SXTB, UXTH, UXTB
              a = r[(op >> 3) & 7];
              d = (op >> 6) & 3;
              r[op & 7] = d === 0 ? (a << 16) >> 16 : d === 1 ? (a << 24) >> 24 : d === 2 ? a & 0xffff : a & 0xff;
              break;
            case 4: // PUSH
            case 5:
              list = op & 0x1ff;
              count = bits(list);
              at = r[13] - 4 * count;
              place = (at - RAM_BASE) >>> 0;
              if (place + 4 * count > ramSize || at & 3) {
                known = false;
                break;
              }
              place >>= 2;
              for (a = 0; a < 8; a++) if (list & (1 << a)) ram32[place++] = r[a];
              spent += count;
              if (list & 0x100) {
                ram32[place] = r[14];
                spent--; // as the emulator counts
              }
              r[13] = at;
              break;
            default:
              known = false;
          }
          break;
        case 0x17:
          if ((op & 0x700) === 0x200) {
            a = r[(op >> 3) & 7];
            if ((op & 0xc0) === 0) r[op & 7] = (a << 24) | ((a & 0xff00) << 8) | ((a >>> 8) & 0xff00) | (a >>> 24); // REV
            else if ((op & 0xc0) === 0x40) r[op & 7] = ((a & 0xff00ff) << 8) | ((a >>> 8) & 0xff00ff); // REV16
            else known = false; // REVSH
            break;
          }
          if ((op & 0x600) !== 0x400) {
            known = false; // BKPT, hints
            break;
          }
          // POP. What may return from an exception: not here
          list = op & 0x1ff;
          count = bits(list);
          at = r[13];
          place = (at - RAM_BASE) >>> 0;
          if (place + 4 * count > ramSize || at & 3) {
            known = false;
            break;
          }
          place >>= 2;
          if (list & 0x100) {
            d = ram32[place + count - 1];
            if (d >>> 28 === 15) {
              known = false;
              break;
            }
            next = (d & ~1) >>> 0;
            spent++; // two for the branch, of which one is in the count
          }
          for (a = 0; a < 8; a++) if (list & (1 << a)) r[a] = ram32[place++];
          spent += count;
          r[13] = at + 4 * count;
          break;

        case 0x18: // STMIA
        case 0x19: // LDMIA
          list = op & 0xff;
          count = bits(list);
          b = (op >> 8) & 7;
          at = r[b];
          place = (at - RAM_BASE) >>> 0;
          if (at & 3) {
            known = false;
            break;
          }
          if (op & 0x800) {
            let from = ram32;
            if (place + 4 * count > ramSize) {
              from = flash32;
              place = (at - FLASH_BASE) >>> 0;
              if (place + 4 * count > flashSize) {
                known = false;
                break;
              }
            }
            place >>= 2;
            for (a = 0; a < 8; a++) if (list & (1 << a)) r[a] = from[place++];
          } else {
            if (place + 4 * count > ramSize) {
              known = false;
              break;
            }
            place >>= 2;
            for (a = 0; a < 8; a++) if (list & (1 << a)) ram32[place++] = r[a];
          }
          if (!(list & (1 << b))) r[b] = at + 4 * count;
          spent += count;
          break;

        case 0x1a: // B with a condition
        case 0x1b:
          switch ((op >> 8) & 15) {
            case 0:
              a = Z;
              break;
            case 1:
              a = !Z;
              break;
            case 2:
              a = C;
              break;
            case 3:
              a = !C;
              break;
            case 4:
              a = N;
              break;
            case 5:
              a = !N;
              break;
            case 6:
              a = V;
              break;
            case 7:
              a = !V;
              break;
            case 8:
              a = C && !Z;
              break;
            case 9:
              a = !C || Z;
              break;
            case 10:
              a = N === V;
              break;
            case 11:
              a = N !== V;
              break;
            case 12:
              a = N === V && !Z;
              break;
            case 13:
              a = N !== V || Z;
              break;
            default: // UDF, SVC
              known = false;
          }
          if (known && a) {
            next = pc + 4 + ((op << 24) >> 23);
            spent = 2;
          }
          break;
        case 0x1c: // B
          next = pc + 4 + ((op << 21) >> 20);
          spent = 2;
          break;
        case 0x1e: {
          // BL; with other second half-words: barriers and special registers, not here
          let low;
          at = fetched + 2;
          if ((place = (at - FLASH_BASE) >>> 0) < flashSize) low = flash16[place >> 1];
          else if ((place = (at - RAM_BASE) >>> 0) < ramSize) low = ram16[place >> 1];
          else if (at >= 0 && at < romSize) low = rom16[at >> 1];
          else low = 0;
          if ((low & 0xd000) !== 0xd000) {
            known = false;
            break;
          }
          const sign = (op >> 10) & 1;
          const i1 = ~((low >> 13) ^ sign) & 1, i2 = ~((low >> 11) ^ sign) & 1;
          a = (-sign << 24) | (i1 << 23) | (i2 << 22) | ((op & 0x3ff) << 12) | ((low & 0x7ff) << 1);
          r[14] = (pc + 4) | 1;
          next = pc + 4 + a;
          spent = 3;
          break;
        }
        default:
          known = false;
      }
      if (!known) break;
      pc = next >>> 0;
      cycles += spent;
    } while (cycles < most);

    r[15] = pc;
    core.N = N;
    core.Z = Z;
    core.C = C;
    core.V = V;
    core.cycles += cycles;
    clock.nanosCounter = begun + cycles * cycleNs;
    return known;
  }
}

module.exports = { FastCore };
