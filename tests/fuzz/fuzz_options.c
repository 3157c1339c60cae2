/* tests/fuzz/fuzz_options.c - any text as a command line of the tool, an argument a line.
 *
 * The first line is the command. What is accepted keeps what cli.h promises of each value; what is
 * not is reported, which is the tool's own affair: standard error is closed to it here.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "../../tools/cli.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TEXT = 4096, MOST_ARGS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

/* Arguments are borrowed from argv, each at most once. */
static void check_borrowed(const char *const *list, size_t count, char **argv, int argc)
{
    for (size_t i = 0; i < count; i++) {
        int inside = 0;
        for (int k = 0; k < argc; k++)
            inside |= list[i] >= argv[k] && list[i] <= argv[k] + strlen(argv[k]);
        require(inside);
    }
}

static void check_values(const cli_options *opt)
{
    const cli_command *c = opt->command;
    require(opt->operands_count >= c->min_operands && opt->operands_count <= c->max_operands);
    require(opt->shape.rank <= WHIT_MAX_RANK && !(opt->temperature != opt->temperature));
    require(opt->clip != 3 || (opt->percentile > 0 && opt->percentile <= 100));
    require(opt->observer != 4 || (opt->observer_percent > 0 && opt->observer_percent <= 100));
    require(opt->progress >= 0 && opt->progress <= CLI_PROGRESS_NONE);
    require(opt->color >= 0 && opt->color <= CLI_COLOR_NEVER);
    require(opt->acts >= 0 && opt->acts <= CLI_ACTS_BF16);
    require(opt->json || !opt->json_path);
}

static void check_command(int argc, char **argv)
{
    cli_options opt;
    const cli_command *command = cli_command_find(argv[0]);
    if (!command) {
        require(cli_command_unknown(argv[0]) == CLI_EXIT_USAGE);
        return;
    }
    const cli_outcome outcome = cli_parse(&opt, command, argc - 1, argv + 1);
    require(outcome != CLI_NO_MEMORY && opt.operands_count < (size_t)argc);
    check_borrowed(opt.operands, opt.operands_count, argv, argc);
    check_borrowed(opt.rules, opt.rules_count, argv, argc);
    if (outcome == CLI_RUN) check_values(&opt);
    cli_options_free(&opt);
}

static void check_texts(const char *text)
{
    uint64_t n = 0;
    double real = 0;
    cli_shape shape = { 0 };
    char buf[CLI_SHORT];
    require(!cli_read_size(text, &n) || n > 0);
    require(!cli_read_number(text, &real) || !isnan(real));
    require(!cli_read_shape(text, &shape) || (shape.rank > 0 && shape.rank <= WHIT_MAX_RANK));
    const size_t edits = cli_edit_distance(text, "quantize");
    require(edits == cli_edit_distance("quantize", text));
    require(edits == SIZE_MAX || (edits == 0) == (strcmp(text, "quantize") == 0));
    require(strlen(cli_short(buf, sizeof buf, text)) < sizeof buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int null = -1;
    char text[MOST_TEXT + 1], *argv[MOST_ARGS];
    int argc = 0;
    if (size > MOST_TEXT) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = 0;
    for (char *line = text; line && argc < MOST_ARGS; argc++) {
        argv[argc] = line;
        line = strchr(line, '\n');
        if (line) *line++ = 0;
    }
    if (null < 0) null = open("/dev/null", O_WRONLY);
    const int kept = dup(STDERR_FILENO);
    require(null >= 0 && kept >= 0 && dup2(null, STDERR_FILENO) >= 0);
    check_command(argc, argv);
    fflush(stderr);
    require(dup2(kept, STDERR_FILENO) >= 0 && close(kept) == 0);
    check_texts(argv[argc - 1]);
    return 0;
}
