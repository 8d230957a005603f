// Strict Ed25519 verification over Monocypher's curve (docs/wire-format.md, "Signatures").
//
// Monocypher's own check multiplies by the cofactor and takes points in second encodings and of low order; OpenSSL does
// neither. What is needed to do as OpenSSL does is static in monocypher.c, so this file takes that one in whole, and is
// compiled in its place.

#include "monocypher.c"

#include "curve.h"

// Whether y is below p = 2^255 - 19, whose bytes are ed ff .. ff 7f; the topmost bit is the sign of x.
static bool y_is_reduced(const u8 encoded[32]) {
    if (encoded[0] < 0xed || (encoded[31] & 0x7f) != 0x7f) {
        return true;
    }
    FOR(i, 1, 31) {
        if (encoded[i] != 0xff) {
            return true;
        }
    }
    return false;
}

// Whether the order of the point divides 8: only the neutral point and that of order 2 have x = 0, so [4]P tells.
static bool is_of_low_order(const ge *point) {
    static const fe zero_x = {0};
    ge doubled, scratch;
    ge_double(&doubled, point, &scratch);
    ge_double(&doubled, &doubled, &scratch);
    return fe_isequal(doubled.X, zero_x);
}

bool wayside_eddsa_holds(const u8 signature[64], const u8 public_key[32], const u8 challenge[32]) {
    const u8 *s = signature + 32;
    u32 s_words[8];
    ge sum; // first -A, then [S]B - [k]A
    load32_le_buf(s_words, s, 8);
    // x = 0 with a sign, the one other second encoding, is of low order as well.
    if (is_above_l(s_words) || !y_is_reduced(public_key) || ge_frombytes_neg_vartime(&sum, public_key)
        || is_of_low_order(&sum)) {
        return false;
    }

    // From here to the end of the loop as in crypto_eddsa_check_equation().
    ge_cached odd_multiples[P_W_SIZE];
    {
        ge twice, next;
        ge_double(&twice, &sum, &next);
        ge_cache(&odd_multiples[0], &sum);
        FOR(i, 1, P_W_SIZE) {
            ge_add(&next, &twice, &odd_multiples[i - 1]);
            ge_cache(&odd_multiples[i], &next);
        }
    }
    slide_ctx k_slide, s_slide;
    slide_init(&k_slide, challenge);
    slide_init(&s_slide, s);
    ge_zero(&sum);
    for (int i = MAX(k_slide.next_check, s_slide.next_check); i >= 0; --i) {
        ge scratch;
        fe a, b;
        ge_double(&sum, &sum, &scratch);
        int k_digit = slide_step(&k_slide, P_W_WIDTH, i, challenge);
        int s_digit = slide_step(&s_slide, B_W_WIDTH, i, s);
        if (k_digit > 0) {
            ge_add(&sum, &sum, &odd_multiples[k_digit / 2]);
        } else if (k_digit < 0) {
            ge_sub(&sum, &sum, &odd_multiples[-k_digit / 2]);
        }
        if (s_digit > 0) {
            ge_madd(&sum, &sum, b_window + s_digit / 2, a, b);
        } else if (s_digit < 0) {
            ge_msub(&sum, &sum, b_window + -s_digit / 2, a, b);
        }
    }

    // R is not decoded: only the one encoding of the right point passes.
    u8 encoded[32];
    ge_tobytes(encoded, &sum);
    return crypto_verify32(encoded, signature) == 0;
}
