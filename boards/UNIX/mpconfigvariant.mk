FROZEN_MANIFEST ?= $(VARIANT_DIR)/manifest.py

# No board has these, and they would need sources that the tarball lacks.
MICROPY_PY_BTREE = 0
MICROPY_PY_THREAD = 0
