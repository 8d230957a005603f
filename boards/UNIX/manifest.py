# asyncio only: the application comes from firmware/ by MICROPYPATH, so that an edit needs no build. Boards with flash
# freeze it.
include("$(MPY_DIR)/extmod/asyncio")
