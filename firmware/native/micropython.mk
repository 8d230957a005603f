# Make fragment of the user C module (ports with Makefiles). MONOCYPHER_DIR: Monocypher's source, from a registry package.
WAYSIDE_NATIVE_DIR := $(USERMOD_DIR)

SRC_USERMOD_C += $(WAYSIDE_NATIVE_DIR)/ed25519.c $(WAYSIDE_NATIVE_DIR)/x25519.c
# Has monocypher.c inside.
SRC_USERMOD_LIB_C += $(WAYSIDE_NATIVE_DIR)/curve.c

CFLAGS_USERMOD += -I$(WAYSIDE_NATIVE_DIR) -I$(MONOCYPHER_DIR)
