/* include/whit/verify.h - is a model what it says it is, and who made it how.
 *
 * What whit quantize writes says which version made it, by which recipe and options, and the
 * SHA-256 of every stored tensor (metadata whit.version, whit.recipe, whit.options, whit.sha256;
 * src/pack/native.c). Equal work gives equal bytes, so whoever has the source can also do some of
 * the work again and compare.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_VERIFY_H
#define WHIT_VERIFY_H

#include <whit/job.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WHIT_VERIFY_SAMPLE 16

typedef struct whit_verify_options {
    size_t struct_size;         /* whit_verify_options_init sets it                             */
    const whit_source *against; /* the source that the model was made from; NULL: none          */
    const char *calibration;    /* of `against`: the file that was used; NULL: none was         */
    uint64_t sample;            /* how many tensors to make again, at equal distances in the order
                                   of the source; 0: all. Default WHIT_VERIFY_SAMPLE            */
    whit_job_options job;
} whit_verify_options;
WHIT_API void whit_verify_options_init(whit_verify_options *options);

typedef struct whit_verification whit_verification; /* borrows both sources */

/*
 * Read all of a model's data, twice where it has digests: every stored tensor against its digest;
 * then what whit_check_run proves. A model without digests has only the second; that is said. Where
 * one of its files has digests all must have them, and files must not differ in how they say that
 * they were made. Digests are of octets: of types, shapes, metadata and config.json there is none.
 *
 * With `against`, tensors are made again by the recipe and options of the file and compared octet
 * by octet; and no tensor may be there that the source does not give, nor be missing.
 *
 *   out  out  free it with whit_verification_free
 *
 * What does not fit is a problem, no error of this call: ask whit_verification_problems.
 * Errors: WHIT_ERR_ARG (with against: the file does not say how it was made; another version made
 * it; it was made with a calibration, which is not given or is another one, or without, and one is
 * given; by an option that cannot be done again, which is named); those of whit_plan_make about the
 * source; WHIT_ERR_IO, WHIT_ERR_FORMAT (a file changed), WHIT_ERR_NOMEM, WHIT_ERR_CANCELLED.
 * Results do not depend on threads.
 */
WHIT_API whit_status whit_verify(whit_verification **out, const whit_source *source,
                                 const whit_verify_options *options, whit_error *err);
WHIT_API void whit_verification_free(whit_verification *verification); /* NULL is fine */
WHIT_API size_t whit_verification_problems(const whit_verification *verification);
WHIT_API const char *whit_verification_problem(const whit_verification *verification, size_t index);

/* For people, and one JSON object:
 *   {"schema","command","file","format","version",
 *    "digests":{"present","stored","checked","wrong","bytes"},"check":{"ok","problems","notes"},
 *    "against","problems","ok"}
 * Errors on out are left to the caller's ferror. */
WHIT_API void whit_verification_write_text(const whit_verification *verification, int flags,
                                           FILE *out);
WHIT_API void whit_verification_write_json(const whit_verification *verification, FILE *out);

/*
 * Who made the model how: version, recipe, options, hash of the calibration, counts of fallbacks,
 * digests; as text and as one JSON object. What the file does not say is "-", null.
 * Errors: WHIT_ERR_FORMAT (whit.sha256 is no list of digests of this file's tensors),
 * WHIT_ERR_NOMEM; those on out are left to the caller's ferror.
 */
WHIT_API whit_status whit_provenance_write_text(const whit_source *source, FILE *out,
                                                whit_error *err);
WHIT_API whit_status whit_provenance_write_json(const whit_source *source, FILE *out,
                                                whit_error *err);

#ifdef __cplusplus
}
#endif
#endif
