/* src/source/hf.h - quantized checkpoints of other programs, as Hugging Face folders hold them.
 *
 * A new format is one file with a function that recognises its tensors (and a wh_layout_ops that
 * fetches their codes, reader.h), and its row in hf.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_SOURCE_HF_H
#define WH_SOURCE_HF_H

#include <whit/source.h>
#include "source/hf_config.h"

/* What was found: tensors whose names are malloc'd, and the format's name (static). */
typedef struct wh_hf_list {
    whit_source_tensor *item;
    size_t count, cap;
    const char *format;
} wh_hf_list;

/*
 * Find the quantized tensors of a file in which nothing is claimed yet; nothing is found in one
 * that is none of these checkpoints. claimed [whit_file_count] is set to 1 for every stored tensor
 * that is a part of one. The caller frees item and names, also after errors.
 * Errors: WHIT_ERR_FORMAT, WHIT_ERR_UNSUPPORTED, WHIT_ERR_IO, WHIT_ERR_NOMEM.
 */
whit_status wh_hf_read(const whit_file *file, wh_hf_list *out, unsigned char *claimed,
                       whit_error *err);

/* ---- what is not read (hf_unread.c) ---------------------------------------------------------- */

typedef struct wh_hf_codes {
    const whit_tensor *codes, *scales; /* NULL: there are none */
} wh_hf_codes;

/* The first stored tensor that nothing claims and that is codes by its type and the scales beside
 * it; only_weights: and whose name ends in .weight. Errors: WHIT_ERR_NOMEM. */
whit_status wh_hf_find_codes(const whit_file *file, const unsigned char *claimed, int only_weights,
                             wh_hf_codes *out, whit_error *err);
/* WHIT_ERR_UNSUPPORTED, with the names of both. */
whit_status wh_hf_refuse_codes(const whit_file *file, const wh_hf_codes *c, whit_error *err);

/* ---- for the formats ------------------------------------------------------------------------- */

/* A layer P at hand. */
typedef struct wh_hf {
    const whit_file *file;
    const wh_hf_config *config;
    unsigned char *claimed;
    char *name;            /* scratch: P and a suffix */
    size_t stem;           /* octets of P */
    whit_source_tensor *t; /* P.weight, in the making: it has its name and no planes */
    whit_error *err;
} wh_hf;

#define WH_HF_SUFFIX 64 /* octets that suffixes are below */

typedef struct wh_hf_format {
    const char *name; /* as whit_source_format says it */
    wh_hf_method method;
    const char *mark; /* suffix of a stored tensor that such a layer has */
    int telling;      /* 1: no other layer has one that ends so */
    /* P + mark is the stored tensor `index`: fill in h->t, and claim what belongs to it. *taken
     * stays 0 for a layer that is none of the format's. */
    whit_status (*read)(wh_hf *h, size_t index, int *taken);
} wh_hf_format;

extern const wh_hf_format wh_hf_ct_packed, wh_hf_ct_plain, wh_hf_gptq, wh_hf_awq, wh_hf_bnb_nf4,
    wh_hf_bnb_fp4, wh_hf_bnb_int8, wh_hf_fp8;

/* The stored tensor P + suffix, or WHIT_NOT_FOUND. */
size_t wh_hf_part(wh_hf *h, const char *suffix);
/* The same where it must be there. */
whit_status wh_hf_need(wh_hf *h, const char *suffix, size_t *index);
/* It is claimed for P.weight, as plane number `plane` (below 0: as none), of that type and shape;
 * of more than two dimensions it is refused. */
whit_status wh_hf_take(wh_hf *h, size_t index, int plane, whit_dtype dtype, uint32_t rank,
                       uint64_t first, uint64_t second);
/* "FILE: P.weight: ..", WHIT_ERR_FORMAT. */
whit_status wh_hf_bad(const wh_hf *h, const char *fmt, ...) WH_PRINTF(2, 3);
/* The same for what is sound, but not read: WHIT_ERR_UNSUPPORTED. */
whit_status wh_hf_unread(const wh_hf *h, const char *fmt, ...) WH_PRINTF(2, 3);
/* h->t is a matrix of that type; its scheme's type of scales is that of the plane of scales. */
void wh_hf_matrix(wh_hf *h, whit_dtype dtype, uint64_t rows, uint64_t cols);
/* Scales may be F32, F16 or BF16. */
int wh_hf_is_scale(const whit_tensor *t);
/* Groups of columns, 2 to 65536, or all of them: the granularity of h->t. */
whit_status wh_hf_groups(wh_hf *h, uint64_t cols, uint64_t group);

/* What a file packed across outputs says of groups, and the columns that its codes have: the
 * configuration's group_size where it fits `groups`, or even groups. */
whit_status wh_hf_group_size(wh_hf *h, uint64_t cols, uint64_t groups);
/* *all is 1 where every zero point of planes[2] is that of symmetric codes: the octets of 32 of
 * them, as stored, over and over. */
whit_status wh_hf_symmetric(wh_hf *h, uint8_t stored, int *all);
/* planes[3] holds the group of each column: every number is proved, and h->t is scattered where
 * they are not in order. Granularity and columns are known. */
whit_status wh_hf_order(wh_hf *h);

#endif
