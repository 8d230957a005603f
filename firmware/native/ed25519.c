// Ed25519 (RFC 8032 section 5.1) for the node: wayside_native.ed25519_public_key, _sign, _verify.
//
// The curve comes from Monocypher's building blocks, SHA-512 from the port's mbedtls; only the order of the steps is
// here. Nothing is allocated but the results, so a signature cannot fail for lack of heap half way.

#include <string.h>

#include "curve.h"
#include "mbedtls/sha512.h"
#include "monocypher.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "x25519.h"

#define SEED_LEN (32)
#define PUBLIC_LEN (32)
#define SIGNATURE_LEN (64)

typedef struct {
    const uint8_t *data;
    size_t len;
} part_t;

static void sha512(uint8_t out[64], const part_t *parts, size_t count) {
    mbedtls_sha512_context context;
    mbedtls_sha512_init(&context);
    int failed = mbedtls_sha512_starts(&context, 0);
    for (size_t i = 0; i < count; ++i) {
        failed |= mbedtls_sha512_update(&context, parts[i].data, parts[i].len);
    }
    failed |= mbedtls_sha512_finish(&context, out);
    mbedtls_sha512_free(&context);
    if (failed) {
        // A hardware hash may be busy or broken; a signature over a wrong hash must not leave.
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("SHA-512 failed"));
    }
}

// The secret scalar and the prefix of RFC 8032 section 5.1.5, steps 1 to 3, in one 64-byte buffer.
static void expand_seed(uint8_t expanded[64], const uint8_t seed[SEED_LEN]) {
    part_t part = { seed, SEED_LEN };
    sha512(expanded, &part, 1);
    crypto_eddsa_trim_scalar(expanded, expanded);
}

static void reduced_hash(uint8_t scalar[32], const part_t *parts, size_t count) {
    uint8_t hash[64];
    sha512(hash, parts, count);
    crypto_eddsa_reduce(scalar, hash);
    crypto_wipe(hash, sizeof(hash));
}

static const uint8_t *bytes_of(mp_obj_t object, size_t len, mp_rom_error_text_t text) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    if (buffer.len != len) {
        mp_raise_ValueError(text);
    }
    return buffer.buf;
}

static const uint8_t *seed_of(mp_obj_t object) {
    return bytes_of(object, SEED_LEN, MP_ERROR_TEXT("seed is not 32 bytes"));
}

static const uint8_t *public_of(mp_obj_t object) {
    return bytes_of(object, PUBLIC_LEN, MP_ERROR_TEXT("public key is not 32 bytes"));
}

static part_t message_of(mp_obj_t object) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    return (part_t) { buffer.buf, buffer.len };
}

// ed25519_public_key(seed) -> bytes
static mp_obj_t ed25519_public_key(mp_obj_t seed_in) {
    uint8_t expanded[64];
    uint8_t public_key[PUBLIC_LEN];
    expand_seed(expanded, seed_of(seed_in));
    crypto_eddsa_scalarbase(public_key, expanded);
    crypto_wipe(expanded, sizeof(expanded));
    return mp_obj_new_bytes(public_key, sizeof(public_key));
}
static MP_DEFINE_CONST_FUN_OBJ_1(ed25519_public_key_obj, ed25519_public_key);

// ed25519_sign(seed, public_key, message) -> bytes; the caller keeps the public key, which saves half of the time.
static mp_obj_t ed25519_sign(mp_obj_t seed_in, mp_obj_t public_in, mp_obj_t message_in) {
    const uint8_t *seed = seed_of(seed_in);
    const uint8_t *public_key = public_of(public_in);
    part_t message = message_of(message_in);
    uint8_t expanded[64];
    uint8_t nonce[32];
    uint8_t challenge[32];
    uint8_t signature[SIGNATURE_LEN];
    expand_seed(expanded, seed);
    reduced_hash(nonce, (part_t[]) { { expanded + 32, 32 }, message }, 2);
    crypto_eddsa_scalarbase(signature, nonce);
    reduced_hash(challenge, (part_t[]) { { signature, 32 }, { public_key, PUBLIC_LEN }, message }, 3);
    crypto_eddsa_mul_add(signature + 32, challenge, expanded, nonce);
    crypto_wipe(expanded, sizeof(expanded));
    crypto_wipe(nonce, sizeof(nonce));
    return mp_obj_new_bytes(signature, sizeof(signature));
}
static MP_DEFINE_CONST_FUN_OBJ_3(ed25519_sign_obj, ed25519_sign);

// ed25519_verify(public_key, message, signature) -> bool, by the rule of docs/wire-format.md, "Signatures". What is not of
// the length of a key or a signature is none.
static mp_obj_t ed25519_verify(mp_obj_t public_in, mp_obj_t message_in, mp_obj_t signature_in) {
    part_t public_key = message_of(public_in);
    part_t message = message_of(message_in);
    part_t signature = message_of(signature_in);
    if (public_key.len != PUBLIC_LEN || signature.len != SIGNATURE_LEN) {
        return mp_const_false;
    }
    uint8_t challenge[32];
    reduced_hash(challenge, (part_t[]) { { signature.data, 32 }, public_key, message }, 3);
    return mp_obj_new_bool(wayside_eddsa_holds(signature.data, public_key.data, challenge));
}
static MP_DEFINE_CONST_FUN_OBJ_3(ed25519_verify_obj, ed25519_verify);

static const mp_rom_map_elem_t wayside_native_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_wayside_native) },
    { MP_ROM_QSTR(MP_QSTR_ed25519_public_key), MP_ROM_PTR(&ed25519_public_key_obj) },
    { MP_ROM_QSTR(MP_QSTR_ed25519_sign), MP_ROM_PTR(&ed25519_sign_obj) },
    { MP_ROM_QSTR(MP_QSTR_ed25519_verify), MP_ROM_PTR(&ed25519_verify_obj) },
    { MP_ROM_QSTR(MP_QSTR_x25519_public_key), MP_ROM_PTR(&wayside_x25519_public_key_obj) },
    { MP_ROM_QSTR(MP_QSTR_x25519_shared_secret), MP_ROM_PTR(&wayside_x25519_shared_secret_obj) },
};
static MP_DEFINE_CONST_DICT(wayside_native_globals, wayside_native_globals_table);

const mp_obj_module_t wayside_native_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&wayside_native_globals,
};
MP_REGISTER_MODULE(MP_QSTR_wayside_native, wayside_native_module);
