/* tools/option.h - one row of the option table, for the files that read the table: the parser
 * (cli.c) and the help (help.c).
 *
 * A new option is a row in options.c and a field of cli_options; a new kind of value is a kind here
 * and its setter in options.c.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TOOLS_OPTION_H
#define WHIT_TOOLS_OPTION_H

#include "cli.h"

typedef enum option_kind {
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_FLAG,   /* int: takes the value of the column `set` */
    OPTION_STRING, /* const char *, which may be empty         */
    OPTION_TEXT,   /* const char *                             */
    OPTION_READ,   /* the same: a path that the command reads  */
    OPTION_RULE,   /* appended to rules                        */
    OPTION_WORD,   /* int: number of the word in `value`       */
    OPTION_CLIP,   /* the same, and a number behind the last   */
    OPTION_OBSERVER,
    OPTION_COUNT,  /* uint64_t up to the column `set`          */
    OPTION_SIZE,   /* uint64_t bytes                           */
    OPTION_SHAPE,  /* cli_shape                                */
    OPTION_NUMBER, /* double                                   */
    OPTION_FEED,   /* appended to feeds, of the kind in `set`  */
    OPTION_JSON    /* flag, with =FILE also json_path          */
} option_kind;

typedef struct cli_option {
    const char *name;
    char letter; /* 0: none */
    option_kind kind;
    const char *value; /* its name in the help, or the words; NULL: takes none */
    size_t field;      /* in cli_options                                       */
    int set;
    unsigned commands;
    const char *help; /* a \n continues on the next line */
} cli_option;

extern const cli_option cli_option_table[]; /* ends with a row whose name is NULL */

/* Put the value of the option into its field; value: NULL where it has none, shown: the option as
 * it was written, for messages. 0: refused, and reported. */
int cli_option_set(cli_options *opt, const cli_option *option, const char *shown,
                   const char *value);

/* Report "SHOWN WHAT 'VALUE'" and where help is; returns 0. */
int cli_option_bad(const cli_options *opt, const char *shown, const char *what, const char *value);

#endif
