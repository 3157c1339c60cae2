/* src/job/verify.c - every stored tensor of a model against the digest that its file has of it.
 *
 * Tensors are hashed side by side, each by one thread: a digest is a sum in order. Problems are
 * noted in the order of the tensors. Not here: the digests as text (provenance.c), scales and codes
 * (check.c), making tensors again (verify_against.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "job/stream.h"

#define PIECE ((size_t)256 << 10) /* no more than a worker of the check has */
#define MOST_PROBLEMS 1000

void whit_verify_options_init(whit_verify_options *options)
{
    *options =
        (whit_verify_options){ .struct_size = sizeof *options, .sample = WHIT_VERIFY_SAMPLE };
    whit_job_options_init(&options->job);
}

typedef struct hashing {
    whit_verification *v;
    const whit_file *file;
    const wh_digest_list *list;
    uint8_t **piece;              /* [threads] */
    char (*text)[WH_SHA256_TEXT]; /* [threads] */
    unsigned threads;
    wh_meter meter;
} hashing;

static whit_status hash_tensor(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    hashing *h = ctx;
    const uint64_t bytes = whit_file_tensor(h->file, (size_t)index)->bytes;
    uint8_t digest[WH_SHA256_BYTES];
    whit_status st = WHIT_OK;
    wh_sha256 sum;
    if (!h->list->text[index][0]) return WHIT_OK;
    wh_sha256_init(&sum);
    for (uint64_t at = 0; at < bytes && st == WHIT_OK; at += PIECE) {
        const size_t n = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        st = whit_file_read(h->file, (size_t)index, at, n, h->piece[worker], err);
        if (st == WHIT_OK) wh_sha256_add(&sum, h->piece[worker], n);
    }
    wh_sha256_end(&sum, digest);
    wh_sha256_text(digest, h->text[worker]);
    return st;
}

static whit_status compare_digest(void *ctx, unsigned worker, uint64_t index, whit_error *err)
{
    hashing *h = ctx;
    const whit_tensor *t = whit_file_tensor(h->file, (size_t)index);
    const char *said = h->list->text[index];
    char name[WH_SHORT];
    if (!said[0]) return WHIT_OK;
    h->v->digests++;
    h->v->digest_bytes += t->bytes;
    if (strcmp(said, h->text[worker]) != 0) {
        h->v->wrong++;
        wh_lines_add(&h->v->problems, "%s: its SHA-256 is %s, not %s", wh_short(name, t->name),
                     h->text[worker], said);
    }
    return wh_meter_step(&h->meter, t->name, t->bytes, err);
}

static whit_status make_room(hashing *h, const whit_job_options *job, whit_error *err)
{
    uint64_t memory, tables = wh_stream_tables(whit_file_count(h->file));
    whit_status st = wh_stream_threads(job, tables, PIECE, &h->threads, &memory, err);
    if (st != WHIT_OK) return st;
    h->piece = wh_calloc(h->threads, sizeof *h->piece);
    h->text = wh_calloc(h->threads, sizeof *h->text);
    int ok = h->piece && h->text;
    for (unsigned i = 0; ok && i < h->threads; i++)
        ok = (h->piece[i] = wh_alloc_aligned(PIECE, 1)) != NULL;
    return ok ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the digests");
}

static whit_status check_digests(whit_verification *v, const whit_job_options *job, whit_error *err)
{
    const whit_file *file = whit_source_file(v->source);
    wh_digest_list list = { 0 };
    hashing h = { .v = v, .file = file, .list = &list };
    uint64_t total = 0;
    v->stored = whit_file_count(file);
    whit_status st = wh_digest_list_read(&list, file, &v->problems, err);
    v->shards = list.shards;
    if (st == WHIT_OK && list.count > 0) st = make_room(&h, job, err);
    for (size_t i = 0; i < v->stored && st == WHIT_OK; i++)
        if (list.text[i][0]) total += whit_file_tensor(file, i)->bytes;
    wh_meter_start(&h.meter, job, total);
    if (st == WHIT_OK && list.count > 0)
        st = wh_for_ordered(h.threads, v->stored, hash_tensor, compare_digest, &h, err);
    for (unsigned i = 0; h.piece && i < h.threads; i++) wh_free_aligned(h.piece[i]);
    free(h.piece);
    free(h.text);
    wh_digest_list_free(&list);
    return st;
}

/* What as a rule needs most memory comes first (the plan of thousands of tensors may need less than
 * the check): too low a ceiling is told before hours of reading, and once. */
static whit_status run(whit_verification *v, const whit_verify_options *o, whit_error *err)
{
    wh_remaking *again = NULL;
    wh_provenance_compare(whit_source_file(v->source), &v->problems);
    whit_status st = o->against ? wh_remaking_open(&again, v, o, err) : WHIT_OK;
    if (st == WHIT_OK) st = whit_check_run(&v->check, v->source, &o->job, err);
    if (st == WHIT_OK) st = check_digests(v, &o->job, err);
    for (size_t i = 0; st == WHIT_OK && i < whit_check_problems(v->check); i++)
        wh_lines_add(&v->problems, "%s", whit_check_problem(v->check, i));
    if (st == WHIT_OK && again) st = wh_remaking_run(again, o, err);
    wh_remaking_close(again);
    return st == WHIT_OK && v->problems.failed
               ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the problems")
               : st;
}

whit_status whit_verify(whit_verification **out, const whit_source *source,
                        const whit_verify_options *options, whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_verify: no place for the result");
    *out = NULL;
    if (!source || !options || options->struct_size != sizeof *options ||
        options->job.struct_size != sizeof options->job)
        return wh_fail(err, WHIT_ERR_ARG, "whit_verify: argument missing");
    whit_verification *v = wh_calloc(1, sizeof *v);
    if (!v) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the verification");
    v->source = source;
    v->against = options->against;
    v->provenance = wh_provenance_of(whit_source_file(source));
    v->problems.limit = MOST_PROBLEMS;
    whit_status st = run(v, options, err);
    if (st == WHIT_OK)
        *out = v;
    else
        whit_verification_free(v);
    return st;
}

void whit_verification_free(whit_verification *v)
{
    if (!v) return;
    whit_check_free(v->check);
    wh_lines_free(&v->problems);
    free(v->remade);
    free(v);
}

size_t whit_verification_problems(const whit_verification *v)
{
    return v->problems.count;
}

const char *whit_verification_problem(const whit_verification *v, size_t index)
{
    return wh_lines_at(&v->problems, index);
}
