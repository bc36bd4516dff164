# The build rules shared by every folder.
#
# kvfs_module(NAME [DEPS target...])
#   The folder's library: every *.cc but *_test.cc, and every *.proto. A folder
#   without sources becomes an interface library. *_test.cc become one GoogleTest
#   binary NAME_test, labelled "unit".
# kvfs_test(NAME LABEL label SOURCES file... DEPS target...)
#   A GoogleTest binary that crosses folders.

add_library(kvfs_flags INTERFACE)
target_compile_options(kvfs_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-field-initializers>
  -fno-omit-frame-pointer)
target_include_directories(kvfs_flags INTERFACE ${PROJECT_SOURCE_DIR})
# Generated code; SYSTEM, so that our warnings do not apply to it.
target_include_directories(kvfs_flags SYSTEM INTERFACE ${PROJECT_BINARY_DIR})
target_link_libraries(kvfs_flags INTERFACE Threads::Threads)
if(KVFS_SANITIZE)
  target_compile_options(kvfs_flags INTERFACE -fsanitize=${KVFS_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(kvfs_flags INTERFACE -fsanitize=${KVFS_SANITIZE})
endif()
if(KVFS_FUZZ)
  # clang 14 cannot put this check's marks before the parts of a coroutine.
  target_compile_options(kvfs_flags INTERFACE -fno-sanitize=function)
endif()

function(kvfs_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.proto)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(sources OR protos)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC kvfs_flags ${ARG_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE kvfs_flags ${ARG_DEPS})
  endif()
  if(protos)
    # The generated code is not held to our warnings, so it is its own target.
    set(generated "")
    foreach(proto ${protos})
      file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${proto})
      string(REGEX REPLACE "\\.proto$" "" stem ${PROJECT_BINARY_DIR}/${relative})
      add_custom_command(OUTPUT ${stem}.pb.cc ${stem}.pb.h
        COMMAND protobuf::protoc -I ${PROJECT_SOURCE_DIR} --cpp_out=${PROJECT_BINARY_DIR} ${proto}
        DEPENDS ${proto} VERBATIM)
      list(APPEND generated ${stem}.pb.cc ${stem}.pb.h)
    endforeach()
    add_library(${name}_pb OBJECT ${generated})
    set_target_properties(${name}_pb PROPERTIES CXX_CLANG_TIDY "")
    target_link_libraries(${name}_pb PUBLIC protobuf::libprotobuf-lite Threads::Threads)
    target_include_directories(${name}_pb SYSTEM PUBLIC ${PROJECT_BINARY_DIR})
    if(KVFS_SANITIZE)
      target_compile_options(${name}_pb PRIVATE -fsanitize=${KVFS_SANITIZE})
    endif()
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:${name}_pb>)
    target_link_libraries(${name} PUBLIC protobuf::libprotobuf-lite)
    add_dependencies(${name} ${name}_pb)
  endif()
  if(tests)
    kvfs_test(${name}_test LABEL unit SOURCES ${tests} DEPS ${name} ${ARG_TEST_DEPS})
  endif()
endfunction()

function(kvfs_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600) # the long versions of random tests take minutes on a busy machine
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE kvfs_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set(environment "")
  if(KVFS_SANITIZE STREQUAL "thread")
    set(environment ENVIRONMENT
      TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp)
  elseif(KVFS_SANITIZE MATCHES "address")
    set(environment ENVIRONMENT
      LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ${environment})
endfunction()
