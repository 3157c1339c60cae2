/* tools/output.c - what leaves the tool: messages on stderr, results on stdout or in a JSON file.
 *
 * Not here: the tables and JSON themselves (the library writes them), and progress (progress.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not that of a job's files: what is left of those in a folder goes when the next job begins there,
 * and a result may wait in the same one. */
#define TEMP_SUFFIX ".whit-result"

int cli_exit_code(whit_status status)
{
    switch (status) {
    case WHIT_OK:
        return CLI_EXIT_OK;
    case WHIT_ERR_ARG:
        return CLI_EXIT_USAGE;
    case WHIT_ERR_BAR:
        return CLI_EXIT_BAR;
    case WHIT_ERR_FORMAT:
    case WHIT_ERR_UNSUPPORTED:
    case WHIT_ERR_NUMERIC:
        return CLI_EXIT_INPUT;
    case WHIT_ERR_NOMEM:
    case WHIT_ERR_IO:
    case WHIT_ERR_CANCELLED:
        break;
    }
    return CLI_EXIT_SYSTEM;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int wants_color(const cli_options *opt, FILE *out)
{
    int mode = opt ? opt->color : CLI_COLOR_AUTO;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (mode == CLI_COLOR_ALWAYS || mode == CLI_COLOR_NEVER) return mode == CLI_COLOR_ALWAYS;
    return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

int cli_text_flags(const cli_options *opt)
{
    return wants_color(opt, stdout) ? WHIT_TEXT_COLOR : 0;
}

/* Arguments and names come from outside: whatever would break the line or talk to the terminal
 * becomes '?'. */
static void make_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
    }
}

static void CLI_PRINTF(4, 0)
    say(const cli_options *opt, const char *escape, const char *head, const char *fmt, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, fmt, args);
    make_printable(line);
    if (wants_color(opt, stderr)) {
        fprintf(stderr, "%s%s\033[0m %s\n", escape, head, line);
    } else {
        fprintf(stderr, "%s %s\n", head, line);
    }
}

void cli_error(const cli_options *opt, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(opt, "\033[1;31m", "whit:", fmt, args);
    va_end(args);
}

void cli_warn(const cli_options *opt, const char *fmt, ...)
{
    va_list args;
    if (opt->verbosity == CLI_VERBOSITY_QUIET) return;
    va_start(args, fmt);
    say(opt, "\033[1;33m", "whit: warning:", fmt, args);
    va_end(args);
}

void cli_note(const cli_options *opt, const char *fmt, ...)
{
    va_list args;
    if (opt->verbosity != CLI_VERBOSITY_VERBOSE) return;
    va_start(args, fmt);
    say(opt, "\033[1m", "whit:", fmt, args);
    va_end(args);
}

whit_status cli_fail(whit_error *err, whit_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, args);
    va_end(args);
    make_printable(err->msg);
    err->code = status;
    return status;
}

int cli_finish(const cli_options *opt, whit_status status, const whit_error *err)
{
    if (status == WHIT_ERR_CANCELLED) {
        cli_error(opt, "interrupted");
    } else if (status != WHIT_OK) {
        cli_error(opt, "%s", err->msg);
    }
    return status == WHIT_ERR_CANCELLED && opt->resume ? CLI_EXIT_RESUMABLE : cli_exit_code(status);
}

void cli_source_warnings(const cli_options *opt, const whit_source *source)
{
    const whit_file *file = whit_source_file(source);
    for (size_t i = 0; i < whit_file_warnings(file); i++) {
        cli_warn(opt, "%s", whit_file_warning(file, i));
    }
}

/* ---- results --------------------------------------------------------------------------------- */

/* -1: errno says why that is not known. */
static int is_input(const struct stat *st, const whit_source *source)
{
    if (!source) return 0;
    const whit_file *file = whit_source_file(source);
    for (size_t i = 0; i < whit_file_shards(file); i++) {
        struct stat shard;
        const int there = cli_look(whit_file_shard_path(file, i), &shard);
        if (there < 0) return -1;
        if (there && shard.st_dev == st->st_dev && shard.st_ino == st->st_ino) return 1;
    }
    return 0;
}

whit_status cli_results_check(const cli_options *opt, const whit_source *source, whit_error *err)
{
    char name[CLI_SHORT];
    struct stat st;
    if (!opt->json_path) return WHIT_OK;
    cli_short(name, sizeof name, opt->json_path);
    const int there = cli_look(opt->json_path, &st);
    const int input = there > 0 && S_ISREG(st.st_mode) ? is_input(&st, source) : 0;
    if (there < 0 || input < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (input) return cli_fail(err, WHIT_ERR_ARG, "%s: is the input; try: another name", name);
    whit_status status = cli_reads_check(opt, opt->json_path, err);
    if (status != WHIT_OK) return status;
    if (opt->output && cli_same_place(opt->json_path, opt->output)) {
        return cli_fail(err, WHIT_ERR_ARG, "%s: is the output; try: another name", name);
    }
    return WHIT_OK;
}

/* "DIR/NAME" to "DIR/.NAME.whit-result". NULL when there is no memory. */
static char *temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    size_t size = strlen(path) + sizeof "." TEMP_SUFFIX;
    char *temp = malloc(size);
    if (!temp) return NULL;
    memcpy(temp, path, folder);
    snprintf(temp + folder, size - folder, ".%s" TEMP_SUFFIX, path + folder);
    return temp;
}

/* Pipes, devices and links are written in place; a name that is free, or a regular file that is
 * to be replaced, appears whole. */
static whit_status json_open(cli_results *results, const cli_options *opt, const whit_source *a,
                             const whit_source *b, whit_error *err)
{
    char name[CLI_SHORT];
    const char *path = opt->json_path;
    struct stat st, link;
    cli_short(name, sizeof name, path);
    whit_status status = cli_results_check(opt, a, err);
    if (status == WHIT_OK) status = cli_results_check(opt, b, err);
    if (status != WHIT_OK) return status;
    const int there = cli_look(path, &st);
    if (there < 0) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (there && S_ISREG(st.st_mode) && !opt->force) {
        return cli_fail(err, WHIT_ERR_ARG, "%s: exists; try: --force", name);
    }
    int in_place = lstat(path, &link) == 0 && !S_ISREG(link.st_mode);
    if (!in_place) {
        results->temp = temp_name(path);
        if (!results->temp) return cli_fail(err, WHIT_ERR_NOMEM, "%s: out of memory", name);
    }
    const int flags = O_WRONLY | O_TRUNC | (in_place ? 0 : O_CREAT | O_NOFOLLOW);
    int fd;
    do fd = open(in_place ? path : results->temp, flags, 0666);
    while (fd < 0 && errno == EINTR && !cli_interrupted());
    if (fd >= 0) results->json = fdopen(fd, "w");
    if (results->json) return WHIT_OK;
    status = cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (fd >= 0) close(fd);
    return status;
}

whit_status cli_results_open(cli_results *results, const cli_options *opt, const whit_source *a,
                             const whit_source *b, whit_error *err)
{
    results->path = opt->json_path;
    results->table = opt->verbosity == CLI_VERBOSITY_QUIET ? NULL : stdout;
    if (!opt->json) return WHIT_OK;
    if (opt->json_path) return json_open(results, opt, a, b, err);
    results->json = stdout; /* which then holds nothing else */
    results->table = NULL;
    return WHIT_OK;
}

whit_status cli_results_before(cli_results *results, const cli_options *opt, const char *a,
                               const char *b, whit_error *err)
{
    struct stat st;
    whit_status status = WHIT_OK;
    whit_source *x = NULL, *y = NULL;
    if (opt->json_path && cli_look(opt->json_path, &st) != 0) {
        if (a) status = whit_source_open(&x, a, err);
        if (b && status == WHIT_OK) status = whit_source_open(&y, b, err);
    }
    if (status == WHIT_OK) status = cli_results_open(results, opt, x, y, err);
    whit_source_close(x);
    whit_source_close(y);
    return status;
}

whit_status cli_results_file(cli_results *results, const cli_options *opt, const char *option,
                             const char *path, const whit_source *source, whit_error *err)
{
    cli_options file = *opt;
    file.json = 1;
    file.json_path = path;
    if (opt->json_path && cli_same_place(path, opt->json_path))
        return cli_fail(err, WHIT_ERR_ARG, "%s and --json name the same file", option);
    return cli_results_open(results, &file, source, NULL, err);
}

whit_status cli_results_commit(cli_results *results, whit_error *err)
{
    char name[CLI_SHORT];
    if (!results->path) return WHIT_OK; /* main checks stdout */
    int bad = fflush(results->json) != 0 || ferror(results->json);
    while (results->temp && !bad && fsync(fileno(results->json)) != 0) bad = errno != EINTR;
    if (fclose(results->json) != 0) bad = 1;
    results->json = NULL;
    if (bad)
        return cli_fail(err, WHIT_ERR_IO, "%s: not all could be written",
                        cli_short(name, sizeof name, results->path));
    if (!results->temp) return WHIT_OK;
    if (rename(results->temp, results->path) != 0) {
        return cli_fail(err, WHIT_ERR_IO, "%s: %s", cli_short(name, sizeof name, results->path),
                        strerror(errno));
    }
    free(results->temp);
    results->temp = NULL;
    return WHIT_OK;
}

void cli_results_close(cli_results *results)
{
    if (results->json && results->json != stdout) fclose(results->json);
    if (results->temp) unlink(results->temp);
    free(results->temp);
    results->json = NULL;
    results->temp = NULL;
}
