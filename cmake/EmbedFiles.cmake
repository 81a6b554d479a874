# cmake -DOUT=FILE -DFILES=A;B -P EmbedFiles.cmake: a C source with the bytes of each file, as the array NAME_EXT of the
# size NAME_EXT_size.
set(text "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by cmake/EmbedFiles.cmake. */\n#include <stddef.h>\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER ${name} name)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND text "extern const unsigned char sa_${name}[];\nextern const size_t sa_${name}_size;\n"
    "const unsigned char sa_${name}[] = {${bytes}};\nconst size_t sa_${name}_size = sizeof sa_${name};\n")
endforeach()
file(WRITE ${OUT} "${text}")
