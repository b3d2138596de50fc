# Every library we call, as one target each. Package names: packages.txt.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(pn_pkg target module package)
    pkg_check_modules(${target}_PC IMPORTED_TARGET ${module})
    if(NOT ${target}_PC_FOUND)
        message(FATAL_ERROR "${module} is missing: install the Debian package ${package}")
    endif()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE PkgConfig::${target}_PC)
endfunction()

pn_pkg(pn_uv libuv libuv1-dev)
pn_pkg(pn_lmdb lmdb liblmdb-dev)
pn_pkg(pn_jpeg libjpeg libjpeg62-turbo-dev)
pn_pkg(pn_yaml yaml-0.1 libyaml-dev)
pn_pkg(pn_jansson jansson libjansson-dev)
pn_pkg(pn_spng spng libspng-dev)
pn_pkg(pn_xxhash libxxhash libxxhash-dev)
pn_pkg(pn_nettle nettle nettle-dev)
pn_pkg(pn_zlib zlib zlib1g-dev)
if(PENULT_TESTS)
    pn_pkg(pn_cmocka cmocka libcmocka-dev)
endif()

# Debian's alternatives may put the pthread build of OpenBLAS behind the plain name (it ranks
# higher), and the serial build computes wrong numbers under threads. So: the OpenMP build by
# its own folder, with an rpath to it; the engine checks at run time what was really loaded.
find_library(PN_OPENBLAS openblas
    PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp
          /usr/lib/x86_64-linux-gnu/openblas-openmp NO_DEFAULT_PATH)
find_path(PN_OPENBLAS_INCLUDE cblas.h
    PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp
          /usr/include/x86_64-linux-gnu/openblas-openmp NO_DEFAULT_PATH)
if(NOT PN_OPENBLAS OR NOT PN_OPENBLAS_INCLUDE)
    message(FATAL_ERROR "OpenBLAS (OpenMP build) is missing: install the Debian package libopenblas-openmp-dev")
endif()
get_filename_component(PN_OPENBLAS_DIR ${PN_OPENBLAS} DIRECTORY)
add_library(pn_openblas INTERFACE)
target_include_directories(pn_openblas SYSTEM INTERFACE ${PN_OPENBLAS_INCLUDE})
target_link_libraries(pn_openblas INTERFACE ${PN_OPENBLAS})
set(CMAKE_BUILD_RPATH ${PN_OPENBLAS_DIR})
set(CMAKE_INSTALL_RPATH ${PN_OPENBLAS_DIR})
# DT_RPATH, not DT_RUNPATH: it is searched before the environment's LD_LIBRARY_PATH
add_link_options(-Wl,--disable-new-dtags)

add_library(pn_openmp INTERFACE)
if(PENULT_OPENMP)
    find_package(OpenMP REQUIRED COMPONENTS C)
    target_link_libraries(pn_openmp INTERFACE OpenMP::OpenMP_C)
else()
    # a build without OpenMP: the pragmas are comments, everything runs on the calling thread
    target_compile_options(pn_openmp INTERFACE -Wno-unknown-pragmas)
endif()
