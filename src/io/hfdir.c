/* src/io/hfdir.c - a model folder as Hugging Face lays it out, and the index that ties its shards.
 *
 * A folder is, in this order: model.safetensors (an index beside it is left alone, as transformers
 * does, with a warning); the shards that model.safetensors.index.json names; its only .safetensors
 * file; its only .gguf file, or the parts of one; pytorch_model.bin, or what
 * pytorch_model.bin.index.json names, in the same way; its only file whose name ends in .bin, .pt,
 * .pth or .npz (tok*.bin are tokenizers of llama2.c, and training_args.bin is no model). The index
 * is a JSON object with
 *
 *   "weight_map": { TENSOR: SHARD, .. }     SHARD is a plain file name in the folder of the index
 *
 * and whatever else it likes. Each tensor must be in the shard that the map says; tensors that the
 * map does not name are read as well, with a warning. Shards are taken in the order of their names.
 * Each one stays open, since reads come from many threads at once.
 *
 * Not here: config.json and tokenizer files, which say nothing about the weights.
 * Source: huggingface/huggingface_hub (sharded checkpoints), huggingface/transformers
 * (src/transformers/modeling_utils.py).
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64 /* readdir, where inodes have 64 bits */
#include "io/io.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"

#define MODEL "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define TORCH "pytorch_model.bin"
#define TORCH_INDEX "pytorch_model.bin.index.json"
#define MAX_INDEX ((uint64_t)256 << 20)

typedef struct placing {
    const char *tensor, *shard;
} placing;

typedef struct index_file {
    whit_file *file;
    char label[WH_SHORT];
    wh_json json;
    int has_map;
    placing *map;
    size_t map_count, map_cap;
    wh_names tensors, shards; /* indices into map and shard_names */
    const char **shard_names;
    size_t shard_count, shard_cap;
} index_file;

static whit_status bad(const index_file *x, const char *what, whit_error *err)
{
    if (x->json.nomem) return wh_io_no_memory(x->file, err);
    if (x->json.problem)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: not valid JSON: %s, at byte %zu", x->label,
                       x->json.problem, x->json.pos);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s", x->label, what);
}

/* The shard's one copy of the name that the JSON text at hand is. */
static whit_status intern_shard(index_file *x, const char **out, whit_error *err)
{
    char shortened[WH_SHORT];
    const char *name = x->json.text;
    size_t known = wh_names_find(&x->shards, name);
    if (known != WH_NAMES_NONE) {
        *out = x->shard_names[known];
        return WHIT_OK;
    }
    if (!wh_path_is_plain(name) || strchr(name, '\\') || strstr(name, ".."))
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: weight_map: \"%s\" is no plain file name",
                       x->label, wh_short(shortened, name));
    void *data = x->shard_names;
    if (!wh_grow(&data, &x->shard_cap, x->shard_count + 1, sizeof *x->shard_names))
        return wh_io_no_memory(x->file, err);
    x->shard_names = data;
    *out = wh_io_text(x->file, name, x->json.text_len);
    if (!*out || wh_names_add(&x->shards, *out, x->shard_count) < 0)
        return wh_io_no_memory(x->file, err);
    x->shard_names[x->shard_count++] = *out;
    return WHIT_OK;
}

static whit_status read_placing(index_file *x, whit_error *err)
{
    char shortened[WH_SHORT];
    placing p = { NULL, NULL };
    if (x->json.text_len > WH_IO_MAX_STRING) return bad(x, "a name of more than 16 MiB", err);
    if (x->map_count == WH_IO_MAX_TENSORS) return bad(x, "more than 10000000 tensors", err);
    p.tensor = wh_io_text(x->file, x->json.text, x->json.text_len);
    void *data = x->map;
    if (!p.tensor || !wh_grow(&data, &x->map_cap, x->map_count + 1, sizeof p))
        return wh_io_no_memory(x->file, err);
    x->map = data;
    int added = wh_names_add(&x->tensors, p.tensor, x->map_count);
    if (added < 0) return wh_io_no_memory(x->file, err);
    if (!added)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is in weight_map twice", x->label,
                       wh_short(shortened, p.tensor));
    if (wh_json_next(&x->json) != WH_JSON_STRING)
        return bad(x, "weight_map holds something else than file names", err);
    whit_status st = intern_shard(x, &p.shard, err);
    if (st == WHIT_OK) x->map[x->map_count++] = p;
    return st;
}

static whit_status read_map(index_file *x, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (x->has_map) return bad(x, "weight_map is there twice", err);
    x->has_map = 1;
    if (wh_json_next(&x->json) != WH_JSON_OBJECT) return bad(x, "weight_map is no object", err);
    while (st == WHIT_OK && (token = wh_json_next(&x->json)) != WH_JSON_OBJECT_END)
        st = token == WH_JSON_KEY ? read_placing(x, err) : bad(x, "does not end", err);
    return st;
}

static whit_status read_index(index_file *x, whit_error *err)
{
    wh_json_token token;
    if (wh_json_next(&x->json) != WH_JSON_OBJECT) return bad(x, "is no JSON object", err);
    while ((token = wh_json_next(&x->json)) == WH_JSON_KEY) {
        whit_status st = WHIT_OK;
        if (strcmp(x->json.text, "weight_map") == 0)
            st = read_map(x, err);
        else if (!wh_json_skip(&x->json, token))
            st = bad(x, "does not end", err);
        if (st != WHIT_OK) return st;
    }
    if (token != WH_JSON_OBJECT_END || wh_json_next(&x->json) != WH_JSON_END)
        return bad(x, "does not end", err);
    if (!x->has_map)
        return bad(x, "JSON without a weight_map, so no index of shards; try: the model's folder",
                   err);
    return x->shard_count > 0 ? WHIT_OK : bad(x, "weight_map is empty", err);
}

/* Open a file of the folder as the next shard. */
static whit_status add_file(whit_file *file, const char *folder, const char *name, whit_error *err)
{
    char *path = NULL;
    whit_status st = wh_file_inside(folder, name, &path, err);
    if (st == WHIT_OK) st = wh_io_add_shard(file, name, path, err);
    free(path);
    return st;
}

static whit_status add_shards(index_file *x, const char *folder, whit_error *err)
{
    whit_status st = WHIT_OK;
    char name[WH_SHORT];
    qsort(x->shard_names, x->shard_count, sizeof *x->shard_names, wh_by_text);
    for (size_t i = 0; st == WHIT_OK && i < x->shard_count; i++) {
        char *path = wh_path_join(folder, x->shard_names[i]);
        int there = 0;
        st = path ? wh_file_there(path, &there, err) : wh_io_no_memory(x->file, err);
        if (st == WHIT_OK && !there) /* the index is to blame, too: name it */
            st = wh_fail(err, WHIT_ERR_FORMAT,
                         "%s: %s is missing; try: download it again, into the same folder",
                         x->label, wh_short(name, x->shard_names[i]));
        if (st == WHIT_OK) st = add_file(x->file, folder, x->shard_names[i], err);
        free(path);
    }
    return st;
}

/* What the map says of the tensors against where they are. */
static whit_status compare_map(const index_file *x, whit_error *err)
{
    const whit_file *f = x->file;
    char name[WH_SHORT], shard[WH_SHORT];
    for (size_t i = 0; i < x->map_count; i++) {
        const placing *p = &x->map[i];
        size_t at = wh_names_find(&f->names, p->tensor);
        if (at == WH_NAMES_NONE || strcmp(f->shards[f->tensors[at].shard].name, p->shard) != 0)
            return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: is not in %s, where weight_map puts it",
                           x->label, wh_short(name, p->tensor), wh_short(shard, p->shard));
    }
    for (size_t i = 0; i < f->count; i++) {
        const whit_tensor *t = &f->tensors[i];
        if (wh_names_find(&x->tensors, t->name) != WH_NAMES_NONE) continue;
        whit_status st =
            wh_io_warn(x->file, err, "%s: %s: is in %s, but not in weight_map", x->label,
                       wh_short(name, t->name), wh_short(shard, f->shards[t->shard].name));
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

whit_status wh_hf_open_index(whit_file *file, const char *index_path, whit_error *err)
{
    char *text = NULL, *folder = wh_path_folder(index_path);
    size_t len = 0;
    index_file x;
    memset(&x, 0, sizeof x);
    x.file = file;
    file->index_path = wh_io_text(file, index_path, strlen(index_path));
    wh_io_label(x.label, index_path);
    if (!folder || !file->index_path) {
        free(folder);
        return wh_io_no_memory(file, err);
    }
    whit_status st = wh_file_slurp(index_path, MAX_INDEX, &text, &len, err);
    wh_json_init(&x.json, text, len);
    if (st == WHIT_OK) st = read_index(&x, err);
    if (st == WHIT_OK) st = add_shards(&x, folder, err);
    if (st == WHIT_OK) st = compare_map(&x, err);
    wh_json_free(&x.json);
    wh_names_free(&x.tensors);
    wh_names_free(&x.shards);
    free((void *)x.shard_names);
    free(x.map);
    free(text);
    free(folder);
    return st;
}

/* ---- folders ---- */

static int is_other_model(const char *name)
{
    static const char *const ends[] = { ".ckpt",   ".onnx",    ".h5", ".npy",
                                        ".tflite", ".msgpack", ".pkl" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (wh_ends_with(name, ends[i], NULL)) return 1;
    return 0;
}

/* A file that may be a model of PyTorch, NumPy or llama2.c. */
static int is_plain_model(const char *name)
{
    if (wh_ends_with(name, ".pt", NULL) || wh_ends_with(name, ".pth", NULL) ||
        wh_ends_with(name, ".npz", NULL))
        return 1;
    return wh_ends_with(name, ".bin", NULL) && strncmp(name, "tok", 3) != 0 &&
           strcmp(name, "training_args.bin") != 0;
}

typedef struct found {
    size_t models; /* .safetensors files, and the first of them by name */
    char *model;
    size_t ggufs; /* the same for .gguf */
    char *gguf;
    size_t plains; /* the same for models of other formats that are read */
    char *plain;
    char *other; /* the first by name that looks like a model of another format */
} found;

/* Keep the lesser of *best and name. 0: no memory. */
static int keep_first(char **best, const char *name)
{
    if (*best && strcmp(*best, name) <= 0) return 1;
    free(*best);
    *best = wh_strndup(name, strlen(name));
    return *best != NULL;
}

static whit_status look_around(const whit_file *file, found *f, whit_error *err)
{
    char label[WH_SHORT];
    struct dirent *e;
    int ok = 1;
    memset(f, 0, sizeof *f);
    DIR *d = opendir(file->path);
    if (!d)
        return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_io_label(label, file->path), strerror(errno));
    while (ok && (errno = 0, e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.') continue; /* hidden: no file of the model */
        if (wh_ends_with(e->d_name, ".safetensors", NULL)) {
            f->models++;
            ok = keep_first(&f->model, e->d_name);
        } else if (wh_ends_with(e->d_name, ".gguf", NULL)) {
            f->ggufs++;
            ok = keep_first(&f->gguf, e->d_name);
        } else if (is_plain_model(e->d_name)) {
            f->plains++;
            ok = keep_first(&f->plain, e->d_name);
        } else if (is_other_model(e->d_name))
            ok = keep_first(&f->other, e->d_name);
    }
    whit_status st = WHIT_OK;
    if (!ok)
        st = wh_io_no_memory(file, err);
    else if (errno != 0)
        st = wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_io_label(label, file->path), strerror(errno));
    closedir(d);
    return st;
}

/* The one file by its usual name, else the shards of the index by its usual name; *there: one of
 * them is there. */
static whit_status add_named(whit_file *file, const char *name, const char *index_name, int *there,
                             whit_error *err)
{
    char label[WH_SHORT], *inside = NULL;
    char *model = wh_path_join(file->path, name), *index = wh_path_join(file->path, index_name);
    int one = 0, shards = 0;
    whit_status st = model && index ? WHIT_OK : wh_io_no_memory(file, err);
    if (st == WHIT_OK) st = wh_file_there(model, &one, err);
    if (st == WHIT_OK) st = wh_file_there(index, &shards, err);
    *there = one || shards;
    if (st == WHIT_OK && one) {
        st = add_file(file, file->path, name, err);
        if (st == WHIT_OK && shards)
            st = wh_io_warn(file, err, "%s: %s is read, %s beside it is not",
                            wh_io_label(label, file->path), name, index_name);
    } else if (st == WHIT_OK && shards) {
        st = wh_file_inside(file->path, index_name, &inside, err);
        if (st == WHIT_OK) st = wh_hf_open_index(file, inside, err);
    }
    free(inside);
    free(index);
    free(model);
    return st;
}

/* The only .gguf file, or all parts of a split one. */
static whit_status add_gguf(whit_file *file, const found *f, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    unsigned part, parts;
    whit_status st = WHIT_OK;
    if (f->ggufs == 1 || wh_gguf_split_name(f->gguf, &part, &parts)) {
        st = add_file(file, file->path, f->gguf, err);
        if (st == WHIT_OK) st = wh_gguf_join(file, err);
    }
    if (st == WHIT_OK && file->shard_count != f->ggufs)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %zu .gguf files (%s, ..); try: name one of them",
                     wh_io_label(label, file->path), f->ggufs, wh_short(name, f->gguf));
    return st;
}

/* What PyTorch calls its files, or the only one of another format. */
static whit_status add_plain(whit_file *file, const found *f, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    whit_status st = WHIT_OK;
    int there = 0;
    st = add_named(file, TORCH, TORCH_INDEX, &there, err);
    if (st != WHIT_OK || there) return st;
    if (f->plains == 1) return add_file(file, file->path, f->plain, err);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %zu model files (%s, ..); try: name one of them",
                   wh_io_label(label, file->path), f->plains, wh_short(name, f->plain));
}

/* Neither of the usual names is there: the only model file, or words about what is. */
static whit_status add_only_file(whit_file *file, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    found f;
    whit_status st = look_around(file, &f, err);
    wh_io_label(label, file->path);
    if (st == WHIT_OK && f.models == 1)
        st = add_file(file, file->path, f.model, err);
    else if (st == WHIT_OK && f.models > 1)
        st = wh_fail(err, WHIT_ERR_FORMAT,
                     "%s: %zu .safetensors files (%s, ..) and no " INDEX
                     "; try: name one of them, or add the index",
                     label, f.models, wh_short(name, f.model));
    else if (st == WHIT_OK && f.ggufs > 0)
        st = add_gguf(file, &f, err);
    else if (st == WHIT_OK && f.plains > 0)
        st = add_plain(file, &f, err);
    else if (st == WHIT_OK && f.other)
        st = wh_fail(err, WHIT_ERR_UNSUPPORTED,
                     "%s: no .safetensors file, only %s; try: the same model as safetensors", label,
                     wh_short(name, f.other));
    else if (st == WHIT_OK)
        st = wh_fail(err, WHIT_ERR_FORMAT, "%s: no model file in this folder", label);
    free(f.model);
    free(f.gguf);
    free(f.plain);
    free(f.other);
    return st;
}

whit_status wh_hf_open_folder(whit_file *file, whit_error *err)
{
    int there = 0;
    whit_status st = add_named(file, MODEL, INDEX, &there, err);
    return st == WHIT_OK && !there ? add_only_file(file, err) : st;
}
