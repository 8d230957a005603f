// Functions of x25519.c for the table of wayside_native.
#pragma once

#include "py/obj.h"

extern const mp_obj_fun_builtin_fixed_t wayside_x25519_public_key_obj;
extern const mp_obj_fun_builtin_fixed_t wayside_x25519_shared_secret_obj;
