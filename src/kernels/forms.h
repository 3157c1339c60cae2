/* src/kernels/forms.h - the forms of codes as lists, one for all instruction sets.
 *
 * A list calls the macro that it is given once for each line; the files that have a function for
 * every form make it so. Names are those of wh_form, in small letters. A form of blocks serves
 * types of GGUF that differ in what is beside the codes: a kind each, of which a weight's is chosen
 * when it is multiplied. A new kind is one line, and one where its form has it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_KERNELS_FORMS_H
#define WH_KERNELS_FORMS_H

#include "kernels/kernels.h"

/* CODE(form): integers and tables, with products of int8 activations */
#define WH_CODE_FORMS(CODE) CODE(q2) CODE(q3) CODE(q4) CODE(q5) CODE(q6) CODE(q8) CODE(t4)

/* PLAIN(kind, bits): blocks with a scale alone, which to int8 activations are groups of q */
#define WH_PLAIN_BLOCKS(PLAIN)                                                                     \
    PLAIN(b1, 1) /* Q1_0 */                                                                        \
    PLAIN(b2, 2) /* TQ1_0, TQ2_0, Q2_0 */                                                          \
    PLAIN(b4, 4) /* Q4_0 */                                                                        \
    PLAIN(b5, 5) /* Q5_0 */                                                                        \
    PLAIN(b8, 8) /* Q8_0 */

/* PARTS(kind, bits, sub, minima): those with sub-blocks, or with minima, or both */
#define WH_PARTED_BLOCKS(PARTS)                                                                    \
    PARTS(b2k, 2, 16, 1) /* Q2_K */                                                                \
    PARTS(b3k, 3, 16, 0) /* Q3_K */                                                                \
    PARTS(b4m, 4, 0, 1)  /* Q4_1 */                                                                \
    PARTS(b4k, 4, 32, 1) /* Q4_K */                                                                \
    PARTS(b5m, 5, 0, 1)  /* Q5_1 */                                                                \
    PARTS(b5k, 5, 32, 1) /* Q5_K */                                                                \
    PARTS(b6k, 6, 16, 0) /* Q6_K */

/* TABLE(kind, scale, each): nibbles for entries of a table, with a scale alone, of that type, for
 * so many vectors of 4 inputs; to int8 activations they are as t4 */
#define WH_TABLE_BLOCKS(TABLE)                                                                     \
    TABLE(bt, WH_SCALE_F16, 8)         /* IQ4_NL */                                                \
    TABLE(btp, WH_SCALE_HALF_E8M0, 8)  /* MXFP4 */                                                 \
    TABLE(bte, WH_SCALE_HALF_UE4M3, 4) /* NVFP4 */

/* PARTS(kind, sub): with sub-blocks too, and entries that are octets (octets of whit_weight) */
#define WH_PARTED_TABLES(PARTS) PARTS(btk, 32) /* IQ4_XS */

/* KIND(kind, ..): all of these, with what each list says of them besides */
#define WH_BLOCK_KINDS(KIND)                                                                       \
    WH_PLAIN_BLOCKS(KIND)                                                                          \
    WH_PARTED_BLOCKS(KIND)                                                                         \
    WH_TABLE_BLOCKS(KIND)                                                                          \
    WH_PARTED_TABLES(KIND)

/* FORM(form, kinds ..), for WH_OF_KIND: plain, minima, parts, power, e4m3: its kinds with a scale
 * alone, with minima, with sub-blocks, with a power of two, with an E4M3; where it has no such
 * kind, another stands in its place. */
#define WH_BLOCK_FORMS(FORM)                                                                       \
    FORM(b1, b1, b1, b1, b1, b1)                                                                   \
    FORM(b2, b2, b2k, b2k, b2, b2)                                                                 \
    FORM(b3, b3k, b3k, b3k, b3k, b3k)                                                              \
    FORM(b4, b4, b4m, b4k, b4, b4)                                                                 \
    FORM(b5, b5, b5m, b5k, b5, b5)                                                                 \
    FORM(b6, b6k, b6k, b6k, b6k, b6k)                                                              \
    FORM(b8, b8, b8, b8, b8, b8)                                                                   \
    FORM(bt, bt, bt, btk, btp, bte)

/* Of the functions named after its kinds that of the weight's kind. */
#define WH_OF_KIND(w, name, plain, minima, parts, power, e4m3)                                     \
    ((w)->sub                                 ? name##parts                                        \
     : (w)->min                               ? name##minima                                       \
     : (w)->scale_type == WH_SCALE_HALF_E8M0  ? name##power                                        \
     : (w)->scale_type == WH_SCALE_HALF_UE4M3 ? name##e4m3                                         \
                                              : name##plain)

#endif
