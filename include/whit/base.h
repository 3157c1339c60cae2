/* include/whit/base.h - version, status codes, errors. The one header every other one includes.
 *
 * Errors are values: each function that can fail returns a whit_status and, where the caller hands
 * in a whit_error, fills it with one line of text. The library never prints, exits, or keeps state
 * of its own; any function may be called from any thread as long as two threads do not share one
 * object that either of them changes.
 *
 * Options are structs whose first field struct_size is the size of the struct, which its init
 * function sets (or the caller, where there is none): exactly that of these headers, or the
 * function returns WHIT_ERR_ARG. Fields are added at the end. whit_method_options has none: it is
 * part of whit_quantize_options.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_BASE_H
#define WHIT_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define WHIT_API __attribute__((visibility("default")))
#else
#define WHIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define WHIT_VERSION_MAJOR 0
#define WHIT_VERSION_MINOR 1
#define WHIT_VERSION_PATCH 0
#define WHIT_VERSION_STRING "0.1.0"

/* Values are ABI: append, never renumber. */
typedef enum whit_status {
    WHIT_OK = 0,
    WHIT_ERR_ARG = 1,         /* caller broke a documented precondition; output exists   */
    WHIT_ERR_NOMEM = 2,       /* memory, or a ceiling on it, does not suffice            */
    WHIT_ERR_IO = 3,          /* the system refused; msg holds its own words             */
    WHIT_ERR_FORMAT = 4,      /* input file malformed or truncated                       */
    WHIT_ERR_UNSUPPORTED = 5, /* well formed, but not implemented here                   */
    WHIT_ERR_NUMERIC = 6,     /* NaN/Inf, or a value that the stored type cannot hold    */
    WHIT_ERR_BAR = 7,         /* the work is done or possible, but misses the user's bar */
    WHIT_ERR_CANCELLED = 8    /* the caller's progress function asked to stop            */
} whit_status;

/* Owned by the caller, so errors need no global. Untouched by calls that succeed. */
typedef struct whit_error {
    whit_status code;
    char msg[248]; /* one printable line: FILE: TENSOR: what is wrong; try: what to do */
} whit_error;

/* "0.1.0": the version of the library that is linked, which may differ from the header's. */
WHIT_API const char *whit_version(void);

/* A short name of a status ("ok", "format", ..); "unknown" for values of later versions. */
WHIT_API const char *whit_status_name(whit_status status);

/*
 * The instruction set that the library's kernels use in this process: the highest level this CPU
 * and system offer, lowered by the environment variable WHIT_ISA where that is set.
 *
 *   name  out  a static string: the highest level some code uses ("scalar", ..)
 *
 * Levels: scalar avx2 avxvnni avx512 avx512vnni amx, or scalar neon dotprod i8mm. A level that the
 * CPU has but no code uses yet is accepted and means the one below.
 * Errors: WHIT_ERR_ARG when WHIT_ISA names no level, or one that this CPU lacks.
 */
WHIT_API whit_status whit_isa(const char **name, whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
