/* src/source/llama2c.h - the int8 weights of llama2.c's version 2.
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_LLAMA2C_H
#define WH_SOURCE_LLAMA2C_H

#include "source/hf.h"

/* As wh_hf_read, for a file whose format is llama2.c: nothing is found in versions 0 and 1. */
whit_status wh_llama2c_read(const whit_file *file, wh_hf_list *out, unsigned char *claimed,
                            whit_error *err);

#endif
