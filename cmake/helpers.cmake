# The four words the folders' CMakeLists are written in.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# flags of every target; -ffp-contract=off because the bits of a kernel must not hang on
# whether the compiler chose to fuse a multiplication with an addition
add_library(pn_flags INTERFACE)
target_compile_options(pn_flags INTERFACE
    -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wcast-qual -Wstrict-prototypes
    -Wmissing-prototypes -ffp-contract=off)
target_compile_definitions(pn_flags INTERFACE _GNU_SOURCE PENULT_VERSION="${PROJECT_VERSION}")
target_include_directories(pn_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
if(PENULT_WERROR)
    target_compile_options(pn_flags INTERFACE -Werror)
endif()
if(PENULT_SANITIZE)
    target_compile_options(pn_flags INTERFACE
        -fsanitize=${PENULT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(pn_flags INTERFACE -fsanitize=${PENULT_SANITIZE})
endif()
if(PENULT_FUZZ)
    target_compile_options(pn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# pn_library(NAME SOURCES file... LINKS target...)
function(pn_library name)
    cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
    add_library(${name} STATIC ${A_SOURCES})
    target_link_libraries(${name} PUBLIC pn_flags ${A_LINKS})
endfunction()

# pn_test(NAME LABELS label... SOURCES file... LINKS target...): one cmocka program, one ctest case
function(pn_test name)
    cmake_parse_arguments(A "" "" "SOURCES;LINKS;LABELS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE pn_flags ${A_LINKS} pn_cmocka)
    target_compile_definitions(${name} PRIVATE PN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}" TIMEOUT 300
        ENVIRONMENT "PENULT_BIN=$<TARGET_FILE:penult>")
endfunction()

# pn_bench(NAME SOURCES file... LINKS target...): built with the rest, run by hand
function(pn_bench name)
    cmake_parse_arguments(A "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${A_SOURCES})
    target_link_libraries(${name} PRIVATE pn_flags ${A_LINKS})
endfunction()

# pn_simd(FLAGS "-mavx2 -mfma" file...): only these files may use the instructions
function(pn_simd)
    cmake_parse_arguments(A "" "FLAGS" "" ${ARGN})
    separate_arguments(flags UNIX_COMMAND "${A_FLAGS}")
    set_source_files_properties(${A_UNPARSED_ARGUMENTS} PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()
