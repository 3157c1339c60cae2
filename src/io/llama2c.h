/* src/io/llama2c.h - the header of a checkpoint of llama2.c.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_LLAMA2C_H
#define WH_IO_LLAMA2C_H

#include "io/io.h"

/* Whether a file of so many bytes, that begins like this, is such a checkpoint to its last byte:
 * the oldest form has no magic number, so it goes by its size. */
int wh_llama2c_is(const unsigned char head[WH_IO_HEAD], uint64_t bytes);

/* The header's numbers are string metadata, of the file and of what is made from it: */
#define WH_LLAMA2C_KEYS                                                                            \
    {                                                                                              \
        "llama2c.dim", "llama2c.hidden_dim", "llama2c.n_layers", "llama2c.n_heads",                \
            "llama2c.n_kv_heads", "llama2c.vocab_size", "llama2c.max_seq_len"                      \
    }
#define WH_LLAMA2C_NUMBERS 7

/* A matrix T of version 2 is stored as T.q, int8 of its shape, and right behind it T.scale, float32
 * [elements / group]. Nothing else in such a file is I8. */
#define WH_LLAMA2C_CODES ".q"
#define WH_LLAMA2C_SCALES ".scale"

#endif
