/* src/io/entry.h - one tensor of a weight file that is to be written, whatever the container.
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_ENTRY_H
#define WH_IO_ENTRY_H

#include <whit/tensor.h>

typedef struct wh_out_entry {
    const char *name; /* borrowed */
    whit_dtype dtype;
    uint32_t rank;
    uint64_t shape[WHIT_MAX_RANK]; /* of elements, slowest first, in every container */
    uint64_t bytes;
    uint64_t offset;  /* out: from the start of the data section */
    const char *type; /* of WHIT_BLOCKS: as GGUF spells it; else NULL */
} wh_out_entry;

#endif
