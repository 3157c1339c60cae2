/* src/kernels/inline.h - what makes one loop serve several forms and tile sizes.
 *
 * A kernel's loop takes its value function and its sizes as arguments; inlined with constants, the
 * calls vanish and the arrays of accumulators become registers. Both must be certain at -O2, hence
 * the words for the compiler.
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_INLINE_H
#define WH_KERNELS_INLINE_H

#if defined(__clang__)
#define WH_INLINE inline __attribute__((always_inline))
#define WH_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define WH_INLINE inline __attribute__((always_inline))
#define WH_UNROLL _Pragma("GCC unroll 32")
#else
#define WH_INLINE inline
#define WH_UNROLL
#endif

#endif
