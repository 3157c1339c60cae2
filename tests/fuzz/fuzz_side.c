/* tests/fuzz/fuzz_side.c - the small JSON files that a job meets beside the weights.
 *
 * The first octet says what the rest is: a config.json or tokenizer.json by itself; the index of an
 * old model that is about to be replaced; the config.json of a model that is checked and carried
 * over. What is said of them is one line each, and nothing outside the folder is named.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/file.h>
#include <whit/side.h>

#include "input.h"
#include "io/old_model.h"
#include "job/companions.h"
#include "job/side.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char weights[] =
    "{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}        ";

static void one_line(const char *text)
{
    require(*text != 0);
    for (const char *p = text; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_alone(const scratch *folder)
{
    char path[SCRATCH_PATH], *text = NULL;
    size_t len = 0;
    whit_error err = { WHIT_OK, "" };
    whit_side *s = NULL;
    const whit_status st = whit_side_open(&s, scratch_path(folder, "alone.json", path), &err);
    if (st != WHIT_OK) {
        require(!s);
        input_refused(st, &err, "alone.json");
    }
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
static void check_old(const scratch *folder)
{
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

static void check_model(const scratch *folder)
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
        void (*check)(const scratch *folder);
    } kinds[] = { { "alone.json", check_alone },
                  { "old/" WH_INDEX_NAME, check_old },
                  { "model/config.json", check_model } };
    if (size == 0) return 0;
    if (input_put("used for its folder", NULL, 0)) set_up(&input.folder);
    const size_t kind = data[0] % 3;
    scratch_write(&input.folder, kinds[kind].name, data + 1, size - 1);
    kinds[kind].check(&input.folder);
    return 0;
}
