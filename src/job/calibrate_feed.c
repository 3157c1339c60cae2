/* src/job/calibrate_feed.c - what is fed in a calibration: texts, ids, activations; their hashes
 * and windows.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/calibrate.h"
#include "job/eval.h"

static void hash_of(const void *data, size_t len, char text[WH_SHA256_TEXT])
{
    wh_sha256 s;
    uint8_t digest[WH_SHA256_BYTES];
    wh_sha256_init(&s);
    wh_sha256_add(&s, data, len);
    wh_sha256_end(&s, digest);
    wh_sha256_text(digest, text);
}

whit_status wh_model_hash(const whit_file *file, char text[WH_SHA256_TEXT], whit_error *err)
{
    const size_t shards = whit_file_shards(file);
    wh_buf lines = { 0 };
    if (shards == 1) return wh_sha256_file(whit_file_shard_path(file, 0), text, err);
    for (size_t i = 0; i < shards; i++) {
        whit_status st = wh_sha256_file(whit_file_shard_path(file, i), text, err);
        wh_buf_putf(&lines, "%s  %s\n", text, whit_file_shard_name(file, i));
        if (st == WHIT_OK && !lines.failed) continue;
        wh_buf_free(&lines);
        return st != WHIT_OK ? st : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the hashes");
    }
    hash_of(lines.data, lines.len, text);
    wh_buf_free(&lines);
    return WHIT_OK;
}

/* ---- activations ----------------------------------------------------------------------------- */

static whit_status open_activations(wh_feed *f, whit_error *err)
{
    char name[WH_SHORT];
    wh_short(name, f->what->path);
    whit_status st = wh_sha256_file(f->what->path, f->sha256, err);
    if (st == WHIT_OK) st = whit_file_open(&f->file, f->what->path, err);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = whit_file_tensor(f->file, 0);
    if (whit_file_count(f->file) != 1 || t->rank != 2 || !whit_dtype_is_float(t->dtype) ||
        t->elements == 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: is not one matrix of floats; try: an array [samples, columns]", name);
    f->rows = t->shape[0];
    f->cols = t->shape[1];
    if (f->cols > WH_CALIB_COLUMNS)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: more than 2^24 columns", name);
    return WHIT_OK;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static whit_status read_text(const whit_feed *what, char **own, const char **data, size_t *len,
                             whit_error *err)
{
    *data = what->data;
    *len = what->len;
    if (what->data) return WHIT_OK;
    whit_status st = wh_file_slurp(what->path, WH_EVAL_TEXT, own, len, err);
    *data = *own;
    return st;
}

/* Ids are read here, too: a mistake in them is told before the model is loaded. */
static whit_status open_text(wh_feed *f, whit_error *err)
{
    char *own = NULL;
    const char *data;
    size_t len;
    whit_status st = read_text(f->what, &own, &data, &len, err);
    if (st == WHIT_OK) hash_of(data, len, f->sha256);
    if (st == WHIT_OK && f->what->kind == WHIT_FEED_IDS) {
        st = whit_ids_read(&f->ids, data, len, err);
        if (st != WHIT_OK) st = wh_prefix(err, st, f->what->path);
    }
    free(own);
    return st;
}

whit_status wh_feeds_open(whit_calibration *c, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < c->o.feeds && st == WHIT_OK; i++) {
        wh_feed *f = &c->feed[i];
        f->what = &c->o.feed[i];
        st = f->what->kind == WHIT_FEED_ACTIVATIONS ? open_activations(f, err) : open_text(f, err);
    }
    return st;
}

void wh_feed_close(wh_feed *f)
{
    whit_ids_free(&f->ids);
    whit_file_close(f->file);
    f->file = NULL;
}

static whit_status tokenize(whit_calibration *c, wh_feed *f, whit_error *err)
{
    char *own = NULL, name[WH_SHORT];
    const char *data;
    size_t len;
    uint64_t octets = 0;
    whit_status st = read_text(f->what, &own, &data, &len, err);
    if (st == WHIT_OK) st = wh_eval_tokenize(c->tokenizer, data, len, &f->ids, &octets, err);
    if (st != WHIT_OK) st = wh_prefix(err, st, f->what->path);
    if (octets)
        wh_lines_add(&c->warnings, "%s: octets that are not UTF-8, taken as byte tokens: %" PRIu64,
                     wh_short(name, f->what->path), octets);
    free(own);
    return st;
}

static whit_status check_ids(const whit_calibration *c, const wh_feed *f, whit_error *err)
{
    const uint32_t rows = whit_model_describe(c->model)->vocabulary;
    char name[WH_SHORT];
    wh_short(name, f->what->path);
    if (f->ids.count == 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: has no tokens; try: another text", name);
    for (size_t i = 0; i < f->ids.count; i++)
        if (f->ids.id[i] >= rows)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: token %" PRIu32 ", but the model's embeddings have %" PRIu32
                           " rows; try: the tokenizer of this model",
                           name, f->ids.id[i], rows);
    return WHIT_OK;
}

whit_status wh_feeds_tokenize(whit_calibration *c, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < c->o.feeds && st == WHIT_OK; i++) {
        wh_feed *f = &c->feed[i];
        if (f->what->kind == WHIT_FEED_TEXT) st = tokenize(c, f, err);
        if (st == WHIT_OK && c->o.tokens && f->ids.count > c->o.tokens)
            f->ids.count = (size_t)c->o.tokens;
        if (st == WHIT_OK) st = check_ids(c, f, err);
    }
    return st;
}

/* ---- windows --------------------------------------------------------------------------------- */

uint64_t wh_feed_windows(const whit_calibration *c, const wh_feed *f)
{
    return f->file ? 1 : (f->ids.count - 1) / (c->window - c->lead) + 1;
}

/* All windows but the last are full. */
uint64_t wh_feed_tokens(const whit_calibration *c, const wh_feed *f, uint64_t window,
                        uint64_t position)
{
    const uint64_t windows = wh_feed_windows(c, f);
    if (window >= windows) return f->file ? f->rows : f->ids.count + windows * c->lead;
    return window * c->window + position;
}

size_t wh_feed_window(const whit_calibration *c, const wh_feed *f, uint64_t window)
{
    const size_t piece = c->window - c->lead, first = (size_t)window * piece;
    const size_t left = f->ids.count - first, n = left < piece ? left : piece;
    c->token[0] = c->start;
    memcpy(c->token + c->lead, f->ids.id + first, n * sizeof *c->token);
    return n + c->lead;
}
