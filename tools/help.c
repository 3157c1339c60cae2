/* tools/help.c - the help: of whit, and of a command from its row and the option table.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "option.h"

enum { HELP_COLUMN = 24 };

static void help_option(const cli_option *o, FILE *out)
{
    char left[80];
    const char *open = o->kind == OPTION_JSON ? "[=" : " ", *close = *open == '[' ? "]" : "";
    int n = snprintf(left, sizeof left, "  %c%c%s --%s%s%s%s", o->letter ? '-' : ' ',
                     o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
                     o->value ? open : "", o->value ? o->value : "", o->value ? close : "");
    fputs(left, out);
    if (n > HELP_COLUMN - 2)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - n, "");
    for (const char *p = o->help; *p; p++) {
        putc(*p, out);
        if (*p == '\n') fprintf(out, "%*s", HELP_COLUMN, "");
    }
    putc('\n', out);
}

static void help_whit(FILE *out)
{
    fputs("whit - quantize models: fewer bits a weight, measured\n"
          "\n"
          "usage: whit COMMAND [OPTIONS]\n"
          "\n"
          "commands:\n",
          out);
    for (const cli_command *c = cli_commands; c->name; c++) {
        fprintf(out, "  %-12s %s\n", c->name, c->brief);
    }
    fputs("\n"
          "Inputs are never changed. whit help COMMAND explains a command; --version, --help.\n"
          "WHIT_ISA=scalar, avx2, .. lowers the instruction set; the results stay the same.\n"
          "\n"
          "exit codes: 0 done, 1 the system failed or interrupted, 2 usage, 3 a bar was missed,\n"
          "4 the input is malformed or unsupported, or holds NaN where it must not,\n"
          "75 interrupted with --resume: the same command goes on\n"
          "\n"
          "example:\n"
          "  whit quantize Llama-3.1-8B/ -o out/ --scheme int4-g128\n",
          out);
}

void cli_help(const cli_command *command, FILE *out)
{
    if (!command) {
        help_whit(out);
        return;
    }
    fprintf(out, "whit %s - %s\n\nusage: whit %s %s%s\n\n%s\noptions:\n", command->name,
            command->brief, command->name, command->operands,
            command->bit & (CLI_WORK | CLI_RUNNERS) ? " [OPTIONS]" : "", command->about);
    for (const cli_option *o = cli_option_table; o->name; o++) {
        if (o->commands & command->bit) help_option(o, out);
    }
    fprintf(out, "\nexample:\n  %s\n", command->example);
}
