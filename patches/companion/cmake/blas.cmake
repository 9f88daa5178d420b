# Finds a BLAS with the C interface: COMPANION_BLAS_LIBRARY if given, else the system's, else the scipy-openblas32 wheel of
# COMPANION_PYTHON. Sets COMPANION_BLAS_LIBRARY and COMPANION_BLAS_PREFIX (what the library puts before its names).
include(CheckCXXSourceCompiles)

if(NOT COMPANION_BLAS_LIBRARY)
    find_library(system_blas NAMES openblas cblas blis mkl_rt)
    if(system_blas)
        set(found_blas ${system_blas})
    else()
        execute_process(
            COMMAND ${COMPANION_PYTHON} -c
                    "import scipy_openblas32 as s; print(s.get_lib_dir() + '/lib' + s.get_library() + '.so')"
            OUTPUT_VARIABLE found_blas OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    set(COMPANION_BLAS_LIBRARY "${found_blas}" CACHE FILEPATH "BLAS with the C interface" FORCE)
endif()
if(NOT EXISTS "${COMPANION_BLAS_LIBRARY}")
    message(FATAL_ERROR "no BLAS with the C interface was found (COMPANION_BLAS_LIBRARY is '${COMPANION_BLAS_LIBRARY}'): "
        "install OpenBLAS, or `pip install scipy-openblas32` for the interpreter named by COMPANION_PYTHON "
        "('${COMPANION_PYTHON}')")
endif()

set(CMAKE_REQUIRED_LIBRARIES ${COMPANION_BLAS_LIBRARY})
check_cxx_source_compiles("extern \"C\" void cblas_sgemm(); int main() { cblas_sgemm(); }" COMPANION_BLAS_IS_PLAIN)
check_cxx_source_compiles("extern \"C\" void scipy_cblas_sgemm(); int main() { scipy_cblas_sgemm(); }"
    COMPANION_BLAS_IS_SCIPY)
if(COMPANION_BLAS_IS_PLAIN)
    set(COMPANION_BLAS_PREFIX "")
elseif(COMPANION_BLAS_IS_SCIPY)
    set(COMPANION_BLAS_PREFIX "scipy_")
else()
    message(FATAL_ERROR "${COMPANION_BLAS_LIBRARY} has no cblas_sgemm")
endif()
check_cxx_source_compiles("extern \"C\" void ${COMPANION_BLAS_PREFIX}openblas_set_num_threads(int);
    int main() { ${COMPANION_BLAS_PREFIX}openblas_set_num_threads(1); }" COMPANION_BLAS_IS_OPENBLAS)
unset(CMAKE_REQUIRED_LIBRARIES)
