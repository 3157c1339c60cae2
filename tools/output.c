/* tools/output.c - what leaves the tool: messages on stderr, warnings of containers, exit codes.
 *
 * Not here: files of results (results.c), the tables and JSON themselves (the library writes them),
 * and progress (progress.c).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
