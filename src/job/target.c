/* src/job/target.c - where a job writes: weight files laid out, an index, copies of small files.
 *
 * A name that ends in .safetensors is one file, as is one that ends in .gguf, which may be split
 * into parts beside it. Anything else is a folder: model.safetensors, or shards and index (as the
 * source had them, or of a size that was asked for), and the config and tokenizer files of a source
 * folder, unchanged. Appearing whole is src/io/outset.c's work.
 *
 * SPDX-License-Identifier: MIT */
#include "job/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "io/inputs.h"

#define INDEX_NAME "model.safetensors.index.json"
#define SINGLE_NAME "model.safetensors"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of output files");
}

static char *copy_of(const char *path)
{
    return wh_strndup(path, strlen(path));
}

static int is_model_folder(whit_format format)
{
    return format != WHIT_FORMAT_NATIVE && format != WHIT_FORMAT_GGUF;
}

static whit_status init_layout(wh_target *t, size_t files, whit_error *err)
{
    t->names = wh_calloc(files, sizeof *t->names);
    if (!t->names) return no_memory(err);
    return wh_layout_init(&t->layout, files,
                          t->format == WHIT_FORMAT_GGUF ? WH_GGUF : WH_SAFETENSORS, err);
}

static whit_status name_file(wh_target *t, size_t f, const char *name, whit_error *err)
{
    t->names[f] = wh_strndup(name, strlen(name));
    if (!t->names[f]) return no_memory(err);
    t->layout.file[f].name = t->names[f];
    return WHIT_OK;
}

static const char *only_name(const wh_target *t)
{
    if (!t->folder && t->path) return wh_path_name(t->path);
    return t->format == WHIT_FORMAT_GGUF ? "model.gguf" : SINGLE_NAME;
}

/* "m.gguf" to "m-00001-of-00003.gguf", which is how readers find the others. */
static void part_name(const wh_target *t, size_t f, size_t files, wh_buf *out)
{
    const char *only = only_name(t);
    if (t->format == WHIT_FORMAT_GGUF)
        wh_buf_putf(out, "%.*s-%05zu-of-%05zu.gguf", (int)(strlen(only) - strlen(".gguf")), only,
                    f + 1, files);
    else
        wh_buf_putf(out, "model-%05zu-of-%05zu.safetensors", f + 1, files);
}

static whit_status name_parts(wh_target *t, size_t files, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t f = 0; f < files && st == WHIT_OK; f++) {
        wh_buf name = { 0 };
        part_name(t, f, files, &name);
        st = name.failed ? no_memory(err) : name_file(t, f, name.data, err);
        wh_buf_free(&name);
    }
    return st;
}

/* As the source's shards are named, where loaders take such names for safetensors. */
static whit_status name_files(wh_target *t, const whit_file *file, whit_error *err)
{
    const size_t n = t->has_index ? whit_file_shards(file) : 1;
    whit_status st = init_layout(t, n, err);
    if (st != WHIT_OK || !t->has_index)
        return st == WHIT_OK ? name_file(t, 0, only_name(t), err) : st;
    for (size_t f = 0; f < n; f++)
        if (!wh_ends_with(whit_file_shard_name(file, f), ".safetensors", NULL))
            return name_parts(t, n, err);
    for (size_t f = 0; f < n && st == WHIT_OK; f++)
        st = name_file(t, f, whit_file_shard_name(file, f), err);
    return st;
}

/* By its name, unless it was named. */
static whit_status choose_format(wh_target *t, const char *output, whit_format format,
                                 whit_error *err)
{
    char name[WH_SHORT];
    const int gguf = output && wh_ends_with(output, ".gguf", NULL);
    const int safetensors = output && wh_ends_with(output, ".safetensors", NULL);
    t->format = format != WHIT_FORMAT_AUTO ? format : gguf ? WHIT_FORMAT_GGUF : WHIT_FORMAT_NATIVE;
    t->folder = t->format != WHIT_FORMAT_GGUF && !safetensors;
    if (safetensors && is_model_folder(t->format))
        return wh_fail(err, WHIT_ERR_ARG, "%s: a checkpoint of this format is a folder",
                       wh_short(name, output));
    if (t->format == WHIT_FORMAT_GGUF ? !output || gguf : !gguf) return WHIT_OK;
    if (gguf)
        return wh_fail(err, WHIT_ERR_ARG,
                       "%s: a native model is a folder or ends in .safetensors; try: --format gguf",
                       wh_short(name, output));
    return wh_fail(err, WHIT_ERR_ARG, "%s: a GGUF file ends in .gguf", wh_short(name, output));
}

whit_status wh_target_init(wh_target *t, const char *output, whit_format format,
                           const whit_source *source, wh_lines *warnings, whit_error *err)
{
    const whit_file *file = whit_source_file(source);
    *t = (wh_target){ 0 };
    whit_status st = choose_format(t, output, format, err);
    if (st != WHIT_OK) return st;
    if (output && !(t->path = wh_strndup(output, strlen(output)))) return no_memory(err);
    t->has_index = t->folder && whit_file_has_index(file);
    st = name_files(t, file, err);
    if (st == WHIT_OK) st = wh_companions_find(&t->copies, t->folder ? file : NULL, warnings, err);
    return st;
}

static void free_files(wh_target *t)
{
    for (size_t i = 0; i < t->layout.count; i++) free(t->names[i]);
    wh_layout_free(&t->layout);
    free(t->names);
    t->names = NULL;
}

whit_status wh_target_split(wh_target *t, size_t files, whit_error *err)
{
    char shown[WH_SHORT];
    if (!t->folder && t->format == WHIT_FORMAT_NATIVE)
        return wh_fail(err, WHIT_ERR_ARG, "%s: is one file, and shards need a folder",
                       wh_short(shown, t->path));
    free_files(t);
    t->has_index = t->folder && files > 1;
    const whit_status st = init_layout(t, files, err);
    if (st != WHIT_OK) return st;
    return files > 1 ? name_parts(t, files, err) : name_file(t, 0, only_name(t), err);
}

void wh_target_free(wh_target *t)
{
    free_files(t);
    wh_companions_free(&t->copies);
    free(t->path);
    memset(t, 0, sizeof *t);
}

size_t wh_target_file(const wh_target *t, uint32_t shard)
{
    return t->has_index ? shard : 0;
}

wh_out_entry wh_target_entry(const whit_tensor *t, whit_dtype dtype, uint64_t bytes)
{
    wh_out_entry e = { .name = t->name, .dtype = dtype, .rank = t->rank, .bytes = bytes };
    memcpy(e.shape, t->shape, sizeof e.shape);
    return e;
}

/* Which of the files in the order of appearing is a weight file. The first part of a GGUF file is
 * the one that readers are given: it comes last. */
static size_t place_of(const wh_target *t, size_t file)
{
    const size_t n = t->layout.count;
    return t->copies.count + (t->format == WHIT_FORMAT_GGUF ? (file + n - 1) % n : file);
}

/* Names in the order of appearing: copies, weights, index. */
static whit_status list_names(const wh_target *t, const char ***out, size_t *count, whit_error *err)
{
    size_t n = 0;
    const char **names = wh_calloc(t->copies.count + t->layout.count + 1, sizeof *names);
    if (!names) return no_memory(err);
    for (size_t i = 0; i < t->copies.count; i++) names[n++] = t->copies.file[i].name;
    for (size_t i = 0; i < t->layout.count; i++) names[place_of(t, i)] = t->names[i];
    n += t->layout.count;
    if (t->has_index) names[n++] = INDEX_NAME;
    *out = names;
    *count = n;
    return WHIT_OK;
}

/* The names need not be the same: a folder has many, and a file that is there may be a link. */
static int is_file_of(const char *folder, const char *name, const char *around, const char *path)
{
    char *final = wh_path_join(folder, name);
    const int same = !final || wh_file_same(final, path) ||
                     (strcmp(name, wh_path_name(path)) == 0 && wh_file_same(folder, around));
    free(final);
    return same;
}

whit_status wh_target_keep_off(const wh_target *t, const char *path, whit_error *err)
{
    char shown[WH_SHORT];
    const char **names = NULL;
    size_t count = 0;
    if (!t->path) return WHIT_OK;
    char *folder = t->folder ? copy_of(t->path) : wh_path_folder(t->path);
    char *around = wh_path_folder(path);
    whit_status st = folder && around ? list_names(t, &names, &count, err) : no_memory(err);
    for (size_t i = 0; i < count && st == WHIT_OK; i++)
        if (is_file_of(folder, names[i], around, path))
            st = wh_fail(err, WHIT_ERR_ARG, "%s: is the output, or a file of it; try: another name",
                         wh_short(shown, path));
    free(names);
    free(around);
    free(folder);
    return st;
}

/* Every file that the job reads: shards, index, what is copied, and what its options name. */
typedef struct input_list {
    char **path; /* owned */
    size_t count;
} input_list;

static void free_inputs(input_list *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->path[i]);
    free(l->path);
}

static int add_input(input_list *l, char *path)
{
    if (path) l->path[l->count++] = path;
    return path != NULL;
}

static whit_status list_inputs(const wh_target *t, const whit_file *file,
                               const whit_job_options *job, input_list *l, whit_error *err)
{
    const size_t shards = whit_file_shards(file);
    const size_t most = shards + t->copies.count + job->reads_count + 1;
    int ok = (l->path = wh_calloc(most, sizeof *l->path)) != NULL;
    for (size_t k = 0; k < shards && ok; k++)
        ok = add_input(l, copy_of(whit_file_shard_path(file, k)));
    for (size_t k = 0; k < job->reads_count && ok; k++) ok = add_input(l, copy_of(job->reads[k]));
    const char *folder = whit_file_folder(file);
    if (ok && whit_file_has_index(file)) ok = add_input(l, copy_of(whit_file_index_path(file)));
    whit_status st = WHIT_OK;
    for (size_t k = 0; k < t->copies.count && ok && st == WHIT_OK; k++) {
        char *path = wh_path_join(folder, t->copies.file[k].name);
        int there = path && !t->copies.file[k].text;
        /* one with a text of its own may have been read all the same */
        if (path && !there) st = wh_file_there(path, &there, err);
        if (!path || there)
            ok = add_input(l, path);
        else
            free(path);
    }
    return ok ? st : no_memory(err);
}

whit_status wh_target_apart(const wh_target *t, const whit_source *source,
                            const whit_job_options *job, whit_error *err)
{
    input_list l = { NULL, 0 };
    whit_status st = list_inputs(t, whit_source_file(source), job, &l, err);
    if (st == WHIT_OK) st = wh_inputs_apart((const char *const *)l.path, l.count, t->path, err);
    free_inputs(&l);
    return st;
}

whit_status wh_target_open(const wh_target *t, const whit_source *source,
                           const whit_job_options *job, wh_outset **set, whit_error *err)
{
    wh_outset_spec spec = { .path = t->path, .folder = t->folder, .force = job->force };
    const char **names = NULL;
    input_list inputs = { NULL, 0 };
    whit_status st = list_inputs(t, whit_source_file(source), job, &inputs, err);
    if (st == WHIT_OK) st = list_names(t, &names, &spec.count, err);
    if (st == WHIT_OK) {
        spec.names = t->folder || spec.count > 1 ? names : NULL;
        spec.inputs = (const char *const *)inputs.path;
        spec.inputs_count = inputs.count;
        spec.bytes = wh_layout_bytes(&t->layout);
        st = wh_outset_open(set, &spec, err);
    }
    free(names);
    free_inputs(&inputs);
    return st;
}

int wh_target_fd(const wh_target *t, const wh_outset *set, size_t file)
{
    return wh_outset_fd(set, place_of(t, file));
}

const char *wh_target_name(const wh_target *t, const wh_outset *set, size_t file)
{
    return wh_outset_path(set, place_of(t, file));
}

static whit_status write_text(const wh_outset *set, size_t k, uint64_t offset, const void *data,
                              size_t len, whit_error *err)
{
    return wh_file_pwrite(wh_outset_fd(set, k), wh_outset_path(set, k), offset, data, len, err);
}

/* The header, and what is behind the data. */
static whit_status write_frame(const wh_target *t, const wh_outset *set, size_t f, whit_error *err)
{
    static const char zeros[64];
    wh_buf text = { 0 };
    uint64_t tail = wh_layout_tail(&t->layout, f), end = wh_layout_file_bytes(&t->layout, f);
    whit_status st = wh_layout_header(&t->layout, f, &text, err);
    if (st == WHIT_OK) st = write_text(set, place_of(t, f), 0, text.data, text.len, err);
    for (; tail > 0 && st == WHIT_OK; tail -= tail < sizeof zeros ? tail : sizeof zeros)
        st = write_text(set, place_of(t, f), end - tail, zeros,
                        tail < sizeof zeros ? (size_t)tail : sizeof zeros, err);
    wh_buf_free(&text);
    return st;
}

whit_status wh_target_finish(const wh_target *t, const whit_source *source, wh_outset *set,
                             whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_buf text = { 0 };
    for (size_t k = 0; k < t->copies.count && st == WHIT_OK; k++)
        st = wh_companion_write(&t->copies.file[k], source, wh_outset_fd(set, k),
                                wh_outset_path(set, k), err);
    for (size_t f = 0; f < t->layout.count && st == WHIT_OK; f++) st = write_frame(t, set, f, err);
    if (st == WHIT_OK && t->has_index) {
        st = wh_layout_index(&t->layout, &text, err);
        if (st == WHIT_OK)
            st = write_text(set, t->copies.count + t->layout.count, 0, text.data, text.len, err);
        wh_buf_free(&text);
    }
    return st == WHIT_OK ? wh_outset_commit(set, err) : st;
}
