/* src/job/model_hash.c - a model by the SHA-256 of its files: what is learned of one is true of no
 * other.
 *
 * SPDX-License-Identifier: MIT */
#include "job/model_hash.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/companions.h"
#include "model/config.h"
#include "model/vocab.h"

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
    wh_sha256_octets(lines.data, lines.len, text);
    wh_buf_free(&lines);
    return WHIT_OK;
}

/* A line of the list: the name, and the hash of what is there. */
static whit_status hash_small(wh_buf *lines, const char *path, whit_error *err)
{
    char text[WH_SHA256_TEXT];
    whit_status st = wh_sha256_file(path, text, err);
    if (st == WHIT_OK) wh_buf_putf(lines, "%s  %s\n", text, wh_path_name(path));
    return st;
}

static whit_status hash_folder(wh_buf *lines, const char *folder, int llama2c, whit_error *err)
{
    whit_status st = WHIT_OK;
    const char *name;
    char *path = NULL;
    for (size_t i = 0; (name = wh_companion_name(i)) != NULL && st == WHIT_OK; i++) {
        int there = 0;
        path = wh_path_join(folder, name);
        if (!path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the hashes");
        st = wh_file_there(path, &there, err);
        if (there) st = hash_small(lines, path, err);
        free(path);
    }
    path = NULL;
    if (st == WHIT_OK && llama2c) st = wh_vocab_find_llama2c(folder, &path, err);
    if (st == WHIT_OK && path) st = hash_small(lines, path, err);
    free(path);
    return st;
}

whit_status wh_model_small_hash(const whit_file *file, char text[WH_SHA256_TEXT], whit_error *err)
{
    wh_buf lines = { 0 };
    whit_status st = WHIT_OK;
    if (whit_file_kv_count(file, 0) == 0) { /* GGUF has all of it inside */
        st = hash_folder(&lines, whit_file_folder(file), wh_config_is_llama2c(file), err);
    }
    if (st == WHIT_OK && lines.failed)
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the hashes");
    if (st == WHIT_OK) wh_sha256_octets(lines.data ? lines.data : "", lines.len, text);
    wh_buf_free(&lines);
    return st;
}
