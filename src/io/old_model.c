/* src/io/old_model.c - the model that an output folder holds already, and that --force replaces.
 *
 * The old index comes from anywhere, so it only ever points at plain .safetensors names in this
 * one folder; nothing is deleted on the word of an index that does not parse to its end. One that
 * the system does not let us read is an error: it may name shards, which would stay behind.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#define _FILE_OFFSET_BITS 64
#include "io/old_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"

#define MAX_INDEX ((uint64_t)256 << 20)
#define EXTENSION ".safetensors"

/* What is being gathered: names in the order in which the index first names them. */
typedef struct shard_names {
    char **name;
    size_t count, cap;
    wh_names seen;
} shard_names;

static int is_shard_name(const char *name)
{
    size_t len = strlen(name), tail = sizeof EXTENSION - 1;
    return wh_path_is_plain(name) && len > tail && strcmp(name + len - tail, EXTENSION) == 0;
}

/* 0: no memory. */
static int add_shard(shard_names *all, const char *text)
{
    if (!is_shard_name(text) || wh_names_find(&all->seen, text) != WH_NAMES_NONE) return 1;
    void *grown = all->name;
    if (!wh_grow(&grown, &all->cap, all->count + 1, sizeof *all->name)) return 0;
    all->name = grown;
    char *name = wh_strndup(text, strlen(text));
    if (!name) return 0;
    all->name[all->count++] = name;
    return wh_names_add(&all->seen, name, 0) >= 0;
}

/* The values of the member "weight_map": {TENSOR: FILE, ..}. 0: malformed, or no memory. */
static int parse_index(wh_json *j, shard_names *all)
{
    if (wh_json_next(j) != WH_JSON_OBJECT) return 0;
    wh_json_token t = wh_json_next(j);
    for (; t == WH_JSON_KEY; t = wh_json_next(j)) {
        if (strcmp(j->text, "weight_map") != 0) {
            if (!wh_json_skip(j, t)) return 0;
            continue;
        }
        if (wh_json_next(j) != WH_JSON_OBJECT) return 0;
        while ((t = wh_json_next(j)) == WH_JSON_KEY) {
            if (wh_json_next(j) != WH_JSON_STRING) return 0;
            if (add_shard(all, j->text)) continue;
            j->nomem = 1;
            return 0;
        }
        if (t != WH_JSON_OBJECT_END) return 0;
    }
    return t == WH_JSON_OBJECT_END && wh_json_next(j) == WH_JSON_END;
}

/* all->seen holds the names of the job; all->name receives the other ones. */
static whit_status read_index(const char *path, shard_names *all, whit_error *err)
{
    char name[WH_SHORT];
    wh_file_id there;
    whit_error why;
    char *text = NULL;
    size_t len = 0;
    wh_json j;
    if (!wh_file_identify(path, &there) && wh_file_is_nothing(errno)) return WHIT_OK;
    whit_status st = wh_file_slurp(path, MAX_INDEX, &text, &len, &why);
    /* Too long, cut short, or no file. */
    if (st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED) return WHIT_OK;
    /* One that may be sound, but was not seen: its shards would stay behind. */
    if (st != WHIT_OK) return wh_prefix(err, wh_fail(err, st, "%s", why.msg), "the old index");
    wh_json_init(&j, text, len);
    int whole = parse_index(&j, all), nomem = j.nomem;
    wh_json_free(&j);
    free(text);
    while (!whole && all->count > 0) free(all->name[--all->count]);
    if (!nomem) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory to read it", wh_short(name, path));
}

/* Move a path into a list, if it is a file (or link) that is there and no input. NULL: no memory.
 */
static whit_status keep_path(char **list, size_t *count, char *path, const wh_inputs *inputs,
                             whit_error *err)
{
    char name[WH_SHORT];
    struct stat there;
    whit_status st = WHIT_OK;
    if (!path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a path");
    if (lstat(path, &there) != 0) {
        if (!wh_file_is_nothing(errno))
            st = wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, path), strerror(errno));
        goto cleanup;
    }
    if (S_ISDIR(there.st_mode)) goto cleanup;
    st = wh_inputs_refuse(inputs, path, err);
    if (st != WHIT_OK) goto cleanup;
    list[(*count)++] = path;
    path = NULL;
cleanup:
    free(path);
    return st;
}

whit_status wh_old_model_find(wh_old_model *old, const char *folder, const char *const *names,
                              size_t count, const wh_inputs *inputs, whit_error *err)
{
    static const char *const marks[] = { WH_INDEX_NAME, WH_ONLY_NAME };
    shard_names all = { 0 };
    whit_status st = WHIT_OK;
    char *index = wh_path_join(folder, WH_INDEX_NAME);
    int ok = index != NULL;
    for (size_t i = 0; ok && i < count; i++) ok = wh_names_add(&all.seen, names[i], 0) >= 0;
    /* The old model file goes as a mark, whoever names it. */
    ok = ok && wh_names_add(&all.seen, WH_ONLY_NAME, 0) >= 0;
    st = ok ? read_index(index, &all, err) : wh_fail(err, WHIT_ERR_NOMEM, "no memory for names");
    if (st != WHIT_OK) goto cleanup;
    old->mark = wh_calloc(2, sizeof *old->mark);
    old->shard = wh_calloc(all.count, sizeof *old->shard);
    if (!old->mark || !old->shard) {
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu names", all.count);
        goto cleanup;
    }
    for (size_t i = 0; st == WHIT_OK && i < 2; i++)
        st = keep_path(old->mark, &old->marks, wh_path_join(folder, marks[i]), inputs, err);
    for (size_t i = 0; st == WHIT_OK && i < all.count; i++)
        st = keep_path(old->shard, &old->shards, wh_path_join(folder, all.name[i]), inputs, err);
cleanup:
    while (all.count > 0) free(all.name[--all.count]);
    free(all.name);
    wh_names_free(&all.seen);
    free(index);
    return st;
}

whit_status wh_old_model_find_one(wh_old_model *old, const char *path, const wh_inputs *inputs,
                                  whit_error *err)
{
    old->mark = wh_calloc(1, sizeof *old->mark);
    if (!old->mark) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
    return keep_path(old->mark, &old->marks, wh_strndup(path, strlen(path)), inputs, err);
}

static whit_status remove_all(char *const *path, size_t count, const wh_inputs *inputs,
                              whit_error *err)
{
    char name[WH_SHORT];
    for (size_t i = 0; i < count; i++) {
        whit_status st = wh_inputs_refuse(inputs, path[i], err);
        if (st != WHIT_OK) return st;
        if (unlink(path[i]) != 0 && errno != ENOENT)
            return wh_fail(err, WHIT_ERR_IO, "%s: cannot be removed: %s", wh_short(name, path[i]),
                           strerror(errno));
    }
    return WHIT_OK;
}

whit_status wh_old_model_unmark(const wh_old_model *old, const wh_inputs *inputs, whit_error *err)
{
    return remove_all(old->mark, old->marks, inputs, err);
}

whit_status wh_old_model_remove_shards(const wh_old_model *old, const wh_inputs *inputs,
                                       whit_error *err)
{
    return remove_all(old->shard, old->shards, inputs, err);
}

void wh_old_model_free(wh_old_model *old)
{
    while (old->marks > 0) free(old->mark[--old->marks]);
    while (old->shards > 0) free(old->shard[--old->shards]);
    free(old->mark);
    free(old->shard);
    memset(old, 0, sizeof *old);
}
