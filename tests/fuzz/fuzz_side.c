/* tests/fuzz/fuzz_side.c - the small JSON files that a job meets beside the weights.
 *
 * The first octet says what the rest is: a config.json or tokenizer.json by itself; the index of an
 * old model that is about to be replaced; the config.json of a model that is checked and carried
 * over, also with another member about storage. What is said of them is one line each, nothing
 * outside the folder is named, and of a text that is carried over no other member changes.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>
#include <whit/side.h>

#include "base/json.h"
#include "input.h"
#include "io/old_model.h"
#include "job/config_text.h"
#include "job/side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char weights[] =
    "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}        ";

static void one_line(const char *text)
{
    require(*text != 0);
    for (const char *p = text; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_alone(const scratch *folder, const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    char path[SCRATCH_PATH], *text = NULL;
    size_t len = 0;
    whit_error err = { WHIT_OK, "" };
    whit_side *s = NULL;
    const whit_status st = whit_side_open(&s, scratch_path(folder, "alone.json", path), &err);
    if (st != WHIT_OK) {
        require(!s);
        input_refused(st, &err, "alone.json");
    }
    require(st != WHIT_OK || err.code == WHIT_OK);
    if (!s) return;
    FILE *out = open_memstream(&text, &len);
    require(out && *whit_side_format(s));
    whit_side_write_text(s, 1, out);
    whit_side_write_json(s, 1, out);
    require(fclose(out) == 0 && len > 0);
    free(text);
    whit_side_close(s);
}

/* Every path is of a file in this folder; "new.safetensors" is the job's own. */
static void check_old(const scratch *folder, const uint8_t *data, size_t size)
{
    (void)data, (void)size;
    static const char *const names[] = { "new.safetensors" };
    char path[SCRATCH_PATH];
    wh_old_model old = { 0 };
    wh_inputs inputs = { 0 };
    scratch_path(folder, "old", path);
    const size_t len = strlen(path);
    require(wh_old_model_find(&old, path, names, 1, &inputs, NULL) == WHIT_OK && old.marks == 1);
    for (size_t i = 0; i < old.shards; i++) {
        require(strncmp(old.shard[i], path, len) == 0 && old.shard[i][len] == '/');
        require(!strchr(old.shard[i] + len + 1, '/') && !strstr(old.shard[i] + len, names[0]));
    }
    wh_old_model_free(&old);
}

/* The members of an object without those about storage, white space around them aside; 0: it is
 * none. */
static int members(const char *text, size_t len, wh_buf *out)
{
    wh_json j;
    wh_json_init(&j, text, len);
    j.python = 1;
    wh_json_token tok = wh_json_next(&j);
    int whole = tok == WH_JSON_OBJECT;
    if (whole) tok = wh_json_next(&j);
    while (whole && tok == WH_JSON_KEY) {
        const int stored = wh_config_says_stored(j.text);
        const size_t kept = out->len;
        wh_buf_put(out, j.text, j.text_len + 1);
        const size_t start = j.pos;
        whole = wh_json_skip(&j, tok);
        wh_buf_put(out, text + start, j.pos - start);
        if (stored) out->len = kept;
        tok = wh_json_next(&j);
    }
    whole = whole && tok == WH_JSON_OBJECT_END && wh_json_next(&j) == WH_JSON_END;
    wh_json_free(&j);
    return whole;
}

/* An object keeps its members, whatever the new one is; anything else is refused. */
static void check_rewritten(const whit_file *f, wh_companions *c, const char *from, size_t len)
{
    static const char object[] = "{\"quant_method\": \"x\"}";
    wh_buf value = { 0 }, before = { 0 };
    wh_buf_puts(&value, object);
    const int whole = members(from, len, &before);
    for (int with = 0; with < 2; with++) {
        whit_error err = { WHIT_OK, "" };
        wh_buf after = { 0 };
        const whit_status st = wh_config_put(c, f, with ? &value : NULL, &err);
        require((st == WHIT_OK) == whole);
        if (st != WHIT_OK) input_refused(st, &err, "config.json");
        if (st != WHIT_OK) continue;
        require(c->file[0].text && members(c->file[0].text, c->file[0].len, &after));
        require(after.len == before.len);
        require(before.len == 0 || memcmp(after.data, before.data, before.len) == 0);
        require(!with || strstr(c->file[0].text, object));
        wh_buf_free(&after);
    }
    wh_buf_free(&value);
    wh_buf_free(&before);
}

static void check_model(const scratch *folder, const uint8_t *data, size_t size)
{
    char path[SCRATCH_PATH];
    wh_companions c = { 0 };
    wh_lines warnings = { .limit = 10 };
    whit_check check = { .problems = { .limit = 10 }, .notes = { .limit = 10 } };
    whit_file *f = NULL;
    require(whit_file_open(&f, scratch_path(folder, "model", path), NULL) == WHIT_OK);
    require(wh_companions_find(&c, f, &warnings, NULL) == WHIT_OK && c.count == 2);
    require(wh_side_check(f, &check, NULL) == WHIT_OK);
    for (size_t i = 0; i < warnings.count; i++) one_line(wh_lines_at(&warnings, i));
    for (size_t i = 0; i < check.problems.count; i++) one_line(wh_lines_at(&check.problems, i));
    for (size_t i = 0; i < check.notes.count; i++) one_line(wh_lines_at(&check.notes, i));
    check_rewritten(f, &c, (const char *)data, size);
    wh_lines_free(&warnings);
    wh_lines_free(&check.problems);
    wh_lines_free(&check.notes);
    wh_companions_free(&c);
    whit_file_close(f);
}

static void set_up(const scratch *folder)
{
    static const char tokenizer[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},"
                                    "\"merges\":[]}}";
    scratch_folder(folder, "old");
    scratch_folder(folder, "model");
    scratch_text(folder, "old/a.safetensors", "x");
    scratch_text(folder, "old/new.safetensors", "x");
    scratch_safetensors(folder, "model/model.safetensors", weights, "x", 1);
    scratch_text(folder, "model/tokenizer.json", tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *name;
        void (*check)(const scratch *folder, const uint8_t *data, size_t size);
    } kinds[] = { { "alone.json", check_alone },
                  { "old/" WH_INDEX_NAME, check_old },
                  { "model/config.json", check_model } };
    if (size == 0) return 0;
    if (input_put("used for its folder", NULL, 0)) set_up(&input.folder);
    const size_t kind = data[0] % 3;
    scratch_write(&input.folder, kinds[kind].name, data + 1, size - 1);
    kinds[kind].check(&input.folder, data + 1, size - 1);
    return 0;
}
