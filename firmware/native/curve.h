// What Monocypher does not offer by itself: Ed25519 verification that answers as the gateway does.

#ifndef WAYSIDE_NATIVE_CURVE_H
#define WAYSIDE_NATIVE_CURVE_H

#include <stdbool.h>
#include <stdint.h>

// Whether encode([S]B - [k]A) is R, with signature = R || S and k the reduced challenge, by the rule of
// docs/wire-format.md, "Signatures". Variable time: none of these is secret.
bool wayside_eddsa_holds(const uint8_t signature[64], const uint8_t public_key[32], const uint8_t challenge[32]);

#endif
