/* tests/kernels/parts.h - the parts of check_kernels and check_tiles; each returns whether a check
 * failed.
 *
 * `allowed` is the mask of instruction sets that may run. Each part walks the variants of its
 * operations, [0] included, so that a new one is checked by being in the table.
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TESTS_PARTS_H
#define WHIT_TESTS_PARTS_H

#include <stddef.h>
#include <stdint.h>

int check_repack(uint32_t allowed);
int check_qact(uint32_t allowed);
int check_gemm(uint32_t allowed);
int check_gemv(uint32_t allowed);
int check_decode(uint32_t allowed);
int check_tile(uint32_t allowed);
int check_many(uint32_t allowed, size_t every); /* so many-th case of the walks */

#endif
