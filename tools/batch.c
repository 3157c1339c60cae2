/* tools/batch.c - several inputs of quantize or plan: a name for each output, then one by one.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAFETENSORS ".safetensors"
#define TORCH ".bin"
#define GGUF ".gguf"
#define INDEX ".index.json"

/* ---- names ----------------------------------------------------------------------------------- */

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The last part of a path, slashes behind it aside. */
static const char *last_part(const char *path, size_t *length)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    *length = end - start;
    return path + start;
}

static int ends_with(const char *text, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length > n && memcmp(text + length - n, end, n) == 0;
}

/* Length of a name without its extension, where that is one: letters behind the last dot. */
static size_t stem_length(const char *name, size_t length)
{
    size_t dot = length;
    while (dot > 0 && ((name[dot - 1] | 32) >= 'a' && (name[dot - 1] | 32) <= 'z')) dot--;
    return dot > 1 && dot < length && name[dot - 1] == '.' ? dot - 1 : length;
}

/* DIR/NAME: a folder for a folder or an index of shards, else a file; of GGUF always a file. "."
 * and ".." are asked for their names. NULL when there is no memory, or no such name. */
static char *output_of(const char *dir, const char *input, int gguf)
{
    size_t length, dir_length = strlen(dir);
    const char *name = last_part(input, &length), *end = gguf ? GGUF : "";
    char *real = NULL, *path = NULL;
    if (is_folder(input)) {
        int odd = length == 0 || strncmp(name, "..", length) == 0;
        if (odd) real = realpath(input, NULL);
        if (real) name = last_part(real, &length);
    } else if (ends_with(name, length, INDEX)) {
        length -= strlen(INDEX);
        if (ends_with(name, length, SAFETENSORS)) length -= strlen(SAFETENSORS);
        if (ends_with(name, length, TORCH)) length -= strlen(TORCH);
    } else {
        length = stem_length(name, length);
        end = gguf ? GGUF : SAFETENSORS;
    }
    size_t size = dir_length + 1 + length + strlen(end) + 1;
    if (length > 0) path = malloc(size);
    if (path) {
        const char *slash = dir_length > 0 && dir[dir_length - 1] == '/' ? "" : "/";
        snprintf(path, size, "%s%s%.*s%s", dir, slash, (int)length, name, end);
    }
    free(real);
    return path;
}

static void free_names(char **outputs, size_t count)
{
    for (size_t i = 0; outputs && i < count; i++) free(outputs[i]);
    free(outputs);
}

/* Two inputs that would become the same output. */
static whit_status check_clash(const cli_options *opt, char *const *outputs, size_t i,
                               whit_error *err)
{
    char a[CLI_SHORT], b[CLI_SHORT];
    for (size_t k = 0; k < i; k++) {
        if (strcmp(outputs[k], outputs[i]) != 0) continue;
        cli_short(a, sizeof a, opt->operands[k]);
        cli_short(b, sizeof b, opt->operands[i]);
        return cli_fail(err, WHIT_ERR_ARG, "%s and %s would have the same output; try: one by one",
                        a, b);
    }
    return WHIT_OK;
}

/* The output of each input; without -o, which only a plan can be, none. */
static whit_status name_outputs(const cli_options *opt, char **outputs, whit_error *err)
{
    char name[CLI_SHORT];
    if (!opt->output) return WHIT_OK;
    if (ends_with(opt->output, strlen(opt->output), SAFETENSORS) ||
        ends_with(opt->output, strlen(opt->output), GGUF))
        return cli_fail(err, WHIT_ERR_ARG, "%s: several inputs need a folder; try: -o DIR/",
                        cli_short(name, sizeof name, opt->output));
    for (size_t i = 0; i < opt->operands_count; i++) {
        errno = 0;
        outputs[i] = output_of(opt->output, opt->operands[i], opt->format == WHIT_FORMAT_GGUF);
        if (!outputs[i] && errno == ENOMEM) return cli_fail(err, WHIT_ERR_NOMEM, "out of memory");
        if (!outputs[i])
            return cli_fail(err, WHIT_ERR_ARG, "%s: has no name for its output; try: one by one",
                            cli_short(name, sizeof name, opt->operands[i]));
        whit_status st = check_clash(opt, outputs, i, err);
        if (st != WHIT_OK) return st;
    }
    return WHIT_OK;
}

static whit_status make_folder(const cli_options *opt, int *made, whit_error *err)
{
    char name[CLI_SHORT];
    if (!opt->output || opt->dry_run) return WHIT_OK;
    *made = mkdir(opt->output, 0777) == 0;
    if (*made || is_folder(opt->output)) return WHIT_OK;
    cli_short(name, sizeof name, opt->output);
    if (errno != EEXIST) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    return cli_fail(err, WHIT_ERR_ARG, "%s: is no folder; try: another name", name);
}

/* The JSON file is given its name at the end: it must be none of the inputs, nor of the outputs. */
static whit_status check_json(const cli_options *opt, char *const *outputs, whit_error *err)
{
    char name[CLI_SHORT];
    whit_status st = WHIT_OK;
    for (size_t i = 0; opt->json_path && i < opt->operands_count && st == WHIT_OK; i++) {
        whit_source *source = NULL;
        whit_error ignored; /* an input that does not open is reported in its turn */
        cli_options one = *opt;
        one.output = outputs[i];
        cli_open(&source, opt, opt->operands[i], &ignored);
        st = cli_results_check(&one, source, err);
        if (st == WHIT_OK && one.output && cli_is_inside(opt->json_path, one.output))
            st = cli_fail(err, WHIT_ERR_ARG, "%s: is in the folder of an output; try: another name",
                          cli_short(name, sizeof name, opt->json_path));
        whit_source_close(source);
    }
    return st;
}

/* ---- the work -------------------------------------------------------------------------------- */

/* All of them, one after another. Returns the exit code of the first that failed. */
static int run_all(const cli_options *opt, char *const *outputs, cli_results *results)
{
    int code = CLI_EXIT_OK;
    for (size_t i = 0; i < opt->operands_count; i++) {
        whit_error err = { WHIT_OK, "" };
        cli_options one = *opt;
        one.operands = &opt->operands[i];
        one.operands_count = 1;
        one.output = outputs[i];
        if (results->table) {
            fprintf(results->table, "%s%s%s%s\n", i ? "\n" : "", one.operands[0],
                    one.output ? " -> " : "", one.output ? one.output : "");
            fflush(results->table); /* so that a failure on stderr stands behind its name */
        }
        whit_status st = cli_quantize_one(&one, results, &err);
        int failed = cli_finish(&one, st, &err);
        if (code == CLI_EXIT_OK) code = failed;
        if (st == WHIT_ERR_CANCELLED) break;
    }
    return code;
}

int cli_batch(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    cli_results results = { 0 };
    int code = CLI_EXIT_OK, made = 0;
    whit_status st = WHIT_OK;
    char **outputs = calloc(opt->operands_count, sizeof *outputs);

    if (!outputs) st = cli_fail(&err, WHIT_ERR_NOMEM, "out of memory");
    if (st == WHIT_OK) st = name_outputs(opt, outputs, &err);
    if (st == WHIT_OK) st = check_json(opt, outputs, &err);
    if (st == WHIT_OK) st = make_folder(opt, &made, &err); /* the JSON file may lie in it */
    if (st == WHIT_OK) st = cli_results_open(&results, opt, NULL, NULL, &err);
    if (st != WHIT_OK && made) rmdir(opt->output);
    if (st == WHIT_OK) {
        code = run_all(opt, outputs, &results);
        st = cli_results_commit(&results, &err);
        if (code != CLI_EXIT_OK && made) rmdir(opt->output); /* unless something is in it */
    }
    int failed = cli_finish(opt, st, &err);
    cli_results_close(&results);
    free_names(outputs, opt->operands_count);
    return code != CLI_EXIT_OK ? code : failed;
}
