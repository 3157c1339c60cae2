/* src/job/provenance.c - what a model says about how it was made, read and printed.
 *
 * Not here: whether it is true (verify.c), who writes it (describe.c, gguf_describe.c, digests.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/provenance.h"

#include <stdlib.h>
#include <string.h>

#include <whit/verify.h>
#include "base/json.h"
#include "base/mem.h"
#include "job/digests.h"

/* Strings of safetensors and of GGUF, where ours are among the typed keys only. */
static const char *value_of(const whit_file *file, size_t shard, const char *key)
{
    const char *text = whit_file_meta_find(file, shard, key);
    const whit_kv *kv = text ? NULL : whit_file_kv_find(file, shard, key);
    if (!kv || kv->type != WHIT_KV_STRING || kv->is_array) return text;
    const whit_kv_string *s = kv->data;
    return strlen(s->text) == s->len ? s->text : NULL;
}

wh_provenance wh_provenance_of(const whit_file *file)
{
    return (wh_provenance){
        .version = value_of(file, 0, "whit.version"),
        .recipe = value_of(file, 0, "whit.recipe"),
        .options = value_of(file, 0, "whit.options"),
        .notes = value_of(file, 0, "whit.notes"),
        .calibration = value_of(file, 0, "whit.calibration"),
    };
}

void wh_provenance_compare(const whit_file *file, wh_lines *problems)
{
    static const char *const keys[] = { "whit.version", "whit.recipe", "whit.options",
                                        "whit.calibration" };
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const char *first = value_of(file, 0, keys[k]);
        for (size_t i = 1; i < whit_file_shards(file); i++) {
            char name[WH_SHORT];
            const char *said = value_of(file, i, keys[k]);
            if (!said || (first && strcmp(first, said) == 0)) continue;
            wh_lines_add(problems, "%s: has another %s than the first file of the model",
                         wh_short(name, whit_file_shard_name(file, i)), keys[k]);
        }
    }
}

/* ---- digests --------------------------------------------------------------------------------- */

typedef struct reader {
    wh_digest_list *list;
    const whit_file *file;
    size_t shard;
    wh_lines *problems;
    wh_json json;
} reader;

static const char *shard_name(const reader *r, char buf[WH_SHORT])
{
    return wh_short(buf, whit_file_shard_name(r->file, r->shard));
}

/* 1 also for what cannot be read. */
static int says_digests(const reader *r)
{
    return whit_file_meta_find(r->file, r->shard, WH_DIGESTS_KEY) ||
           whit_file_kv_find(r->file, r->shard, WH_DIGESTS_KEY);
}

/* A member: the name of a tensor of this shard, its digest. 0: no more can be read. */
static int read_member(reader *r)
{
    char name[WH_SHORT], shard[WH_SHORT];
    const size_t i = whit_file_find(r->file, r->json.text);
    const whit_tensor *t = i == WHIT_NOT_FOUND ? NULL : whit_file_tensor(r->file, i);
    wh_short(name, r->json.text);
    if (wh_json_next(&r->json) != WH_JSON_STRING || !wh_sha256_is_text(r->json.text)) {
        wh_lines_add(r->problems, "%s: " WH_DIGESTS_KEY ": %s: no SHA-256 in hexadecimal digits",
                     shard_name(r, shard), name);
        return 0;
    }
    if (!t || t->shard != r->shard || r->list->text[i][0]) {
        wh_lines_add(r->problems, "%s: " WH_DIGESTS_KEY ": %s: %s", shard_name(r, shard), name,
                     t && t->shard == r->shard ? "is named twice" : "there is no such tensor");
        return 1;
    }
    memcpy(r->list->text[i], r->json.text, WH_SHA256_TEXT);
    r->list->count++;
    return 1;
}

static void read_shard(reader *r, const char *text)
{
    char shard[WH_SHORT];
    wh_json_token token;
    wh_json_init(&r->json, text, strlen(text));
    int ok = wh_json_next(&r->json) == WH_JSON_OBJECT;
    while (ok && (token = wh_json_next(&r->json)) != WH_JSON_OBJECT_END) {
        ok = token == WH_JSON_KEY;
        if (ok && !read_member(r)) return;
    }
    if (!ok || wh_json_next(&r->json) != WH_JSON_END)
        wh_lines_add(r->problems, "%s: " WH_DIGESTS_KEY " is no JSON object of digests",
                     shard_name(r, shard));
}

/* Where some tensors of a shard have digests, all have. */
static void look_for_gaps(reader *r)
{
    for (size_t i = 0; i < whit_file_count(r->file); i++) {
        char name[WH_SHORT], shard[WH_SHORT];
        const whit_tensor *t = whit_file_tensor(r->file, i);
        if (t->shard != r->shard || r->list->text[i][0]) continue;
        wh_lines_add(r->problems, "%s: %s: has no digest, others have", shard_name(r, shard),
                     wh_short(name, t->name));
    }
}

/* Where some shards have digests, all have. */
static void look_for_silence(reader *r)
{
    char shard[WH_SHORT];
    for (r->shard = 0; r->shard < whit_file_shards(r->file); r->shard++)
        if (!says_digests(r))
            wh_lines_add(r->problems,
                         "%s: has no " WH_DIGESTS_KEY ", other files of the model have",
                         shard_name(r, shard));
}

whit_status wh_digest_list_read(wh_digest_list *out, const whit_file *file, wh_lines *problems,
                                whit_error *err)
{
    reader r = { .list = out, .file = file, .problems = problems };
    int nomem = 0;
    *out = (wh_digest_list){ 0 };
    out->text = wh_calloc(whit_file_count(file), sizeof *out->text);
    if (!out->text) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the digests");
    for (; r.shard < whit_file_shards(file) && !nomem; r.shard++) {
        const char *text = value_of(file, r.shard, WH_DIGESTS_KEY);
        const size_t before = problems->count;
        if (!says_digests(&r)) continue;
        if (!text) text = ""; /* a number, an array or with a NUL: no digests in JSON */
        out->shards++;
        read_shard(&r, text);
        nomem = r.json.nomem;
        wh_json_free(&r.json);
        if (problems->count == before) look_for_gaps(&r);
    }
    if (!nomem && out->shards > 0) look_for_silence(&r);
    return nomem || problems->failed ? wh_fail(err, WHIT_ERR_NOMEM, "no memory for the digests")
                                     : WHIT_OK;
}

void wh_digest_list_free(wh_digest_list *list)
{
    free(list->text);
    *list = (wh_digest_list){ 0 };
}

/* ---- printed --------------------------------------------------------------------------------- */

/* A line; a terminal might obey control characters, so they become '?'. */
static void put_line(wh_buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        const unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
        const int upper = c == 0xc2 && next >= 0x80 && next < 0xa0; /* C1, of two octets */
        wh_buf_put(b, c < 0x20 || c == 0x7f || upper ? "?" : text + i, 1);
        i += (size_t)upper;
    }
    wh_buf_puts(b, "\n");
}

/* A value of one line or more behind its name. */
static void put_value(wh_buf *b, const char *name, const char *value)
{
    const char *label = name;
    do {
        const size_t n = strcspn(value, "\n");
        wh_buf_putf(b, "%-12s ", label);
        put_line(b, value, n);
        label = "";
        value += n + (value[n] != 0);
    } while (*value);
}

static void put_text(wh_buf *b, const whit_source *source, const wh_digest_list *list)
{
    const whit_file *file = whit_source_file(source);
    const wh_provenance p = wh_provenance_of(file);
    put_value(b, "format", whit_source_format(source));
    put_value(b, "version", p.version ? p.version : "-");
    put_value(b, "recipe", p.recipe ? p.recipe : "-");
    put_value(b, "options", p.options ? p.options : p.recipe ? "all by default" : "-");
    put_value(b, "calibration", p.calibration ? p.calibration : "-");
    put_value(b, "notes", p.notes ? p.notes : "-");
    wh_buf_putf(b, "%-12s %zu of %zu stored tensors\n", "digests", list->count,
                whit_file_count(file));
    for (size_t i = 0; i < whit_file_count(file); i++) {
        const char *name = whit_file_tensor(file, i)->name;
        if (!list->text[i][0]) continue;
        wh_buf_putf(b, "  %s  ", list->text[i]);
        put_line(b, name, strlen(name));
    }
}

static void put_json(wh_buf *b, const whit_source *source, const wh_digest_list *list)
{
    const whit_file *file = whit_source_file(source);
    const wh_provenance p = wh_provenance_of(file);
    const char *separator = "";
    wh_buf_puts(b, "{\"schema\":1,\"command\":\"inspect\"");
    wh_json_add_text(b, "format", whit_source_format(source));
    wh_buf_puts(b, ",\"provenance\":{\"version\":");
    if (p.version)
        wh_json_put_string(b, p.version);
    else
        wh_buf_puts(b, "null");
    wh_json_add_text(b, "recipe", p.recipe);
    wh_json_add_text(b, "options", p.options);
    wh_json_add_text(b, "calibration", p.calibration);
    wh_json_add_text(b, "notes", p.notes);
    wh_buf_puts(b, ",\"sha256\":");
    wh_buf_puts(b, list->shards ? "{" : "null");
    for (size_t i = 0; i < whit_file_count(file); i++) {
        if (!list->text[i][0]) continue;
        wh_buf_puts(b, separator);
        wh_json_put_string(b, whit_file_tensor(file, i)->name);
        wh_buf_putf(b, ":\"%s\"", list->text[i]);
        separator = ",";
    }
    wh_buf_puts(b, list->shards ? "}}}\n" : "}}\n");
}

typedef void put_fn(wh_buf *b, const whit_source *source, const wh_digest_list *list);

static whit_status write_with(put_fn *put, const whit_source *source, FILE *out, whit_error *err)
{
    wh_digest_list list;
    wh_lines problems = { .limit = 1 };
    wh_buf b = { 0 };
    if (!source || !out) return wh_fail(err, WHIT_ERR_ARG, "whit_provenance: argument missing");
    whit_status st = wh_digest_list_read(&list, whit_source_file(source), &problems, err);
    if (st == WHIT_OK && problems.count)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s", wh_lines_at(&problems, 0));
    if (st == WHIT_OK) put(&b, source, &list);
    if (st == WHIT_OK && b.failed) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the text");
    if (st == WHIT_OK) fwrite(b.data, 1, b.len, out);
    wh_buf_free(&b);
    wh_lines_free(&problems);
    wh_digest_list_free(&list);
    return st;
}

whit_status whit_provenance_write_text(const whit_source *source, FILE *out, whit_error *err)
{
    return write_with(put_text, source, out, err);
}

whit_status whit_provenance_write_json(const whit_source *source, FILE *out, whit_error *err)
{
    return write_with(put_json, source, out, err);
}
