// X25519 (RFC 7748 section 5) for the node: wayside_native.x25519_public_key, x25519_shared_secret.
//
// The curve is Monocypher's. Nothing is allocated but the results.

#include "monocypher.h"
#include "py/objstr.h"
#include "py/runtime.h"
#include "x25519.h"

#define KEY_LEN (32)

static const uint8_t *key_of(mp_obj_t object, mp_rom_error_text_t text) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(object, &buffer, MP_BUFFER_READ);
    if (buffer.len != KEY_LEN) {
        mp_raise_ValueError(text);
    }
    return buffer.buf;
}

// x25519_public_key(secret) -> bytes
static mp_obj_t x25519_public_key(mp_obj_t secret_in) {
    uint8_t public_key[KEY_LEN];
    crypto_x25519_public_key(public_key, key_of(secret_in, MP_ERROR_TEXT("secret is not 32 bytes")));
    return mp_obj_new_bytes(public_key, sizeof(public_key));
}
MP_DEFINE_CONST_FUN_OBJ_1(wayside_x25519_public_key_obj, x25519_public_key);

// x25519_shared_secret(secret, public_key) -> bytes. A public key of small order gives zero whatever the secret (RFC 7748
// section 6.1): everybody would know the result, so it is refused, as OpenSSL does.
static mp_obj_t x25519_shared_secret(mp_obj_t secret_in, mp_obj_t public_in) {
    static const uint8_t zero[KEY_LEN];
    const uint8_t *secret = key_of(secret_in, MP_ERROR_TEXT("secret is not 32 bytes"));
    const uint8_t *public_key = key_of(public_in, MP_ERROR_TEXT("public key is not 32 bytes"));
    uint8_t shared[KEY_LEN];
    crypto_x25519(shared, secret, public_key);
    if (crypto_verify32(shared, zero) == 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("public key is of small order"));
    }
    mp_obj_t result = mp_obj_new_bytes(shared, sizeof(shared));
    crypto_wipe(shared, sizeof(shared));
    return result;
}
MP_DEFINE_CONST_FUN_OBJ_2(wayside_x25519_shared_secret_obj, x25519_shared_secret);
