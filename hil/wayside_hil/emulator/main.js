"use strict";
/*
 * The emulator as a child process: a JSON list of commands per line on stdin, one JSON answer to each line on stdout.
 *
 *   node main.js FLASH BOOTROM USB SEED
 *
 * {"run": ns, "nap": ns}            go on until that time; nap: at most until something happens (Board.run)
 * {"uart": n, "data": hex, "at": ns, "bit_ns": t, "bits": b, "parity": "N"}   bytes into RX, back to back from `at` on
 * {"pin": n, "level": 0|1, "at": ns}    {"usb": hex, "at": ns}    {"cut": ns}    {"restore": ns}
 * {"usb_reads": bool, "at": ns}     whether the host fetches what the firmware writes
 * {"adc": input, "level": 0..4095, "at": ns}    {"ppm": how much too fast the crystal is, "at": ns}
 * {"cut_in_flash": n, "after": ns}  cut so far into the flash operation that comes after n others
 * {"flip": offset, "mask": m}       bits of the flash turn over
 * {"attach_spi": n}                 a device is on that SPI     {"wake_spi": n, "at": ns|null}  when it is to be asked next
 * {"attach_i2c": n}                 chips are on that I2C
 * Each answer: {"now": ns, "events": [...], "cut_is_due": whether the operation of cut_in_flash has yet to come}; or
 * {"error": text}. Before it any number of questions to the device on an SPI, as an answer with "ask": {"spi": n,
 * "start": ns, "at": ns, "value": byte}, each answered by one line: {"value": byte, "pins": {n: 0|1}, "wake": ns|null};
 * without a value the time is one that the device named. Likewise to the chips on an I2C: "ask": {"i2c": n, "connect":
 * address, "reads": bool} or with "write": byte, "read": 1 or "stop": 1, answered by {"ack": bool, "value": byte}.
 */
const fs = require("node:fs");
const { Board } = require("./board.js");
const { Flash } = require("./flash.js");

function obey(board, command) {
  const at = Math.max(command.at ?? 0, board.now);
  if ("run" in command) board.run(command.run, command.nap);
  else if ("flip" in command) board.flash.flip(command.flip, command.mask);
  else if ("attach_spi" in command) board.attachSpi(command.attach_spi);
  else if ("attach_i2c" in command) board.attachI2c(command.attach_i2c);
  else if ("wake_spi" in command) board.wakeSpi(command.wake_spi, command.at);
  else if ("uart" in command) {
    const { uart, bit_ns: bitNs, bits, parity } = command;
    Buffer.from(command.data, "hex").forEach((value, i) => {
      board.sendByte(uart, value, at + (i + 1) * bits * bitNs, bitNs, parity);
    });
  } else if ("pin" in command) board.setPin(command.pin, Boolean(command.level), at);
  else if ("adc" in command) board.setAnalogue(command.adc, command.level, at);
  else if ("ppm" in command) board.setCrystal(command.ppm, at);
  else if ("usb_reads" in command) board.setUsbReads(command.usb_reads, at);
  else if ("usb" in command) board.sendUsb(Buffer.from(command.usb, "hex"), at);
  else if ("cut" in command) board.cutPower(command.cut);
  else if ("cut_in_flash" in command) board.cutPowerInFlash(command.cut_in_flash, command.after);
  else if ("restore" in command) board.restorePower(command.restore);
  else throw new Error(`unknown command ${JSON.stringify(command)}`);
}

function* lines(file) {
  const buffer = Buffer.alloc(65536);
  let rest = "";
  for (;;) {
    const size = fs.readSync(file, buffer);
    if (!size) return;
    const parts = (rest + buffer.toString("latin1", 0, size)).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

function main([flashPath, bootromPath, usb, seed]) {
  const rom = fs.readFileSync(bootromPath);
  const bootrom = new Uint32Array(rom.buffer, rom.byteOffset, rom.length / 4);
  const flash = new Flash(flashPath);
  const input = lines(0);
  const say = (what) => fs.writeSync(1, JSON.stringify(what) + "\n");
  const seen = () => ({ now: Math.round(board.now), events: board.events.splice(0), cut_is_due: board.cut !== null });
  const ask = (question) => {
    say({ ...seen(), ask: question });
    return JSON.parse(input.next().value);
  };
  const board = new Board({ flash, bootrom, usb: usb === "1", seed: Number(seed), ask });
  for (const line of input) {
    let answer;
    try {
      for (const command of JSON.parse(line)) obey(board, command);
      answer = seen();
    } catch (error) {
      answer = { error: error.stack };
    }
    say(answer);
  }
  flash.close();
}

main(process.argv.slice(2));
