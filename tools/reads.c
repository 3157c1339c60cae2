/* tools/reads.c - what the command line names as something to read, and that no result and no
 * output replaces any of it, --force or not.
 *
 * The option table says which options name such a file (OPTION_READ, OPTION_FEED); with the
 * operands they are listed once, after parsing. Not here: the files inside a model, which its
 * source lists, and the outputs of a job, which the library keeps off the list by itself.
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#define _FILE_OFFSET_BITS 64

#include "option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int cli_look(const char *path, struct stat *st)
{
    if (stat(path, st) == 0) return 1;
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG ? 0 : -1;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* What is not there can be no input, and is reported by whoever opens it. */
static void add(cli_options *opt, const char *path)
{
    struct stat st;
    if (path && cli_look(path, &st) != 0) opt->reads[opt->reads_count++] = path;
}

/* The file of a feed: of NAME=FILE the second part. */
static const char *feed_path(const cli_feed *feed)
{
    const char *sign = strchr(feed->value, '=');
    return feed->kind == WHIT_FEED_ACTIVATIONS && sign ? sign + 1 : feed->value;
}

void cli_reads_list(cli_options *opt)
{
    const unsigned bit = opt->command->bit;
    const size_t words = bit == CLI_BENCH; /* matmul, quantize, .. */
    for (size_t i = words; i < opt->operands_count; i++) add(opt, opt->operands[i]);
    for (size_t i = 0; i < opt->feeds_count; i++) add(opt, feed_path(&opt->feeds[i]));
    for (const cli_option *o = cli_option_table; o->name; o++)
        if ((o->commands & bit) && o->kind == OPTION_READ)
            add(opt, *(const char **)((char *)opt + o->field));
}

/* ---- one path against another ---------------------------------------------------------------- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *cli_folder(const char *path)
{
    const size_t length = (size_t)(last_part(path) - path);
    char *folder = malloc(length + 2);
    if (!folder) return NULL;
    memcpy(folder, path, length);
    memcpy(folder + length, ".", 2);
    return folder;
}

static int stat_folder(const char *path, struct stat *st)
{
    char *folder = cli_folder(path);
    if (!folder) return -1;
    const int rc = stat(folder, st), error = errno;
    free(folder);
    errno = error;
    return rc;
}

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int cli_same_place(const char *a, const char *b)
{
    struct stat x, y;
    if (strcmp(a, b) == 0) return 1;
    if (stat(a, &x) == 0 && stat(b, &y) == 0) return is_same(&x, &y);
    return strcmp(last_part(a), last_part(b)) == 0 && stat_folder(a, &x) == 0 &&
           stat_folder(b, &y) == 0 && is_same(&x, &y);
}

int cli_is_inside(const char *path, const char *folder)
{
    struct stat inside, st, around;
    if (stat(folder, &inside) != 0 || !S_ISDIR(inside.st_mode)) return 0;
    char *real = realpath(path, NULL); /* a link is written through */
    const int found = (stat_folder(path, &st) == 0 && is_same(&st, &inside)) ||
                      (real && stat_folder(real, &around) == 0 && is_same(&around, &inside));
    free(real);
    return found;
}

/* ---- files that are read with another one ---------------------------------------------------- */

/* Parts of one model: their names differ in the number before "-of-". */
static int is_part_of(const char *name, const char *other)
{
    const char *of = strstr(name, "-of-");
    const size_t at = of ? (size_t)(of - name) : 0;
    return at >= 5 && strlen(name) == strlen(other) && memcmp(name, other, at - 5) == 0 &&
           strcmp(name + at, other + at) == 0;
}

static int ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Configurations and vocabularies, by the names under which they are looked for beside weights. */
static int is_small_file(const char *name)
{
    static const char *const ends[] = { "config.json",        ".index.json",
                                        "tokenizer.json",     "tokenizer.model",
                                        "vocab.json",         "merges.txt",
                                        "added_tokens.json",  "chat_template.json",
                                        "chat_template.jinja" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i])) return 1;
    return strncmp(name, "tok", 3) == 0 && ends_with(name, ".bin"); /* of llama2.c */
}

/* What a folder of a model may have that is read. */
static int may_be_read(const char *name)
{
    static const char *const ends[] = { ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".npz" };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i])) return 1;
    return is_small_file(name);
}

/* ---- the checks ------------------------------------------------------------------------------ */

enum { APART, IS_READ, IN_FOLDER, BESIDE, UNKNOWN };

/* How the file under this name, and that is there, stands to one that is read. UNKNOWN: errno. */
static int relation(const char *path, const char *read)
{
    struct stat file, folder, st, around;
    const int there = cli_look(read, &st);
    if (there == 0 || (there < 0 && errno == EACCES)) return APART; /* told when it is opened */
    if (there < 0 || stat(path, &file) != 0 || stat_folder(path, &folder) != 0) return UNKNOWN;
    if (is_same(&file, &st)) return IS_READ;
    const char *name = last_part(path);
    if (S_ISDIR(st.st_mode)) return is_same(&folder, &st) && may_be_read(name) ? IN_FOLDER : APART;
    const int goes_with = is_small_file(name) || is_part_of(name, last_part(read));
    if (!goes_with) return APART;
    if (stat_folder(read, &around) != 0) return UNKNOWN;
    return is_same(&folder, &around) ? BESIDE : APART;
}

whit_status cli_reads_check(const cli_options *opt, const char *path, whit_error *err)
{
    static const char *const what[] = {
        [IS_READ] = "is the input",
        [IN_FOLDER] = "may be read with the model in its folder",
        [BESIDE] = "may be read with a file beside it",
    };
    struct stat st;
    char name[CLI_SHORT];
    int how = APART;
    if (!path) return WHIT_OK;
    cli_short(name, sizeof name, path);
    const int there = cli_look(path, &st);
    if (there < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (!there || !S_ISREG(st.st_mode)) return WHIT_OK;
    char *real = realpath(path, NULL); /* a link is written through */
    for (size_t i = 0; i < opt->reads_count && how == APART; i++) {
        how = relation(path, opt->reads[i]);
        if (how == APART && real) how = relation(real, opt->reads[i]);
    }
    const int error = errno;
    free(real);
    if (how == APART) return WHIT_OK;
    if (how == UNKNOWN) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(error));
    return cli_fail(err, WHIT_ERR_ARG, "%s: %s; try: another name", name, what[how]);
}
