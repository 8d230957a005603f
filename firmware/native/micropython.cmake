# CMake fragment of the user C module (ports with CMake). MONOCYPHER_DIR: Monocypher's source, from a registry package.
add_library(usermod_wayside_native INTERFACE)

target_sources(usermod_wayside_native INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/ed25519.c
    ${CMAKE_CURRENT_LIST_DIR}/x25519.c
    ${CMAKE_CURRENT_LIST_DIR}/curve.c  # has monocypher.c inside
)

target_include_directories(usermod_wayside_native INTERFACE ${CMAKE_CURRENT_LIST_DIR} ${MONOCYPHER_DIR})

target_link_libraries(usermod INTERFACE usermod_wayside_native)
