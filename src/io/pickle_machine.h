/* src/io/pickle_machine.h - between pickle.c, which takes opcodes off a pickle, and what they do:
 * the machine, its stack, the table of its opcodes.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_IO_PICKLE_MACHINE_H
#define WH_IO_PICKLE_MACHINE_H

#include "io/pickle.h"

#define WH_PM_MOST_STACK 1000000u /* values, and marks */

typedef struct wh_pickle_machine {
    wh_pickle *p;
    const char *label;
    size_t len, at, op_at; /* the next octet; where the opcode at hand is */
    size_t globals;
    uint32_t *stack, *mark, *memo; /* nodes, heights, nodes + 1 */
    size_t height, marks;
    size_t stack_cap, mark_cap, memo_cap, memo_len;
    int64_t number; /* arguments of the opcode at hand */
    uint32_t text, text_len, line, line_len;
    int done;
    whit_error *err;
} wh_pickle_machine;

/* pickle_stack.c. WHIT_ERR_FORMAT, with the place of the opcode at hand; WHIT_ERR_NOMEM. */
whit_status wh_pm_bad(const wh_pickle_machine *m, const char *what);
whit_status wh_pm_no_memory(const wh_pickle_machine *m);
/* Room for `need` numbers; 0: no memory. */
int wh_pm_grow(uint32_t **data, size_t *cap, size_t need);
/* Nothing is popped below the last mark: the height there. */
size_t wh_pm_floor(const wh_pickle_machine *m);
whit_status wh_pm_push(wh_pickle_machine *m, uint32_t node);
whit_status wh_pm_pop(wh_pickle_machine *m, uint32_t *node);
whit_status wh_pm_top(wh_pickle_machine *m, wh_pickle_node **node);
/* A new node, on the stack too; one without items of that kind. */
whit_status wh_pm_push_new(wh_pickle_machine *m, wh_pickle_node value);
whit_status wh_pm_push_items(wh_pickle_machine *m, wh_pickle_kind kind);
/* One more item at the end. */
whit_status wh_pm_add_item(wh_pickle_machine *m, uint32_t to, uint32_t item);
int wh_pm_is_same(const unsigned char *text, size_t len, const char *want);

/* pickle_calls.c: opcodes that name something, or call what was named. */
whit_status wh_pm_global(wh_pickle_machine *m);
whit_status wh_pm_stack_global(wh_pickle_machine *m);
whit_status wh_pm_reduce(wh_pickle_machine *m);
whit_status wh_pm_build(wh_pickle_machine *m);
whit_status wh_pm_persistent(wh_pickle_machine *m);

/* What follows an opcode: a number, or a text whose length is one. */
typedef enum wh_pickle_form {
    WH_PM_NOTHING,
    WH_PM_U8,
    WH_PM_U16,
    WH_PM_I32,
    WH_PM_U32,
    WH_PM_U64,
    WH_PM_F64,
    WH_PM_TEXT8,
    WH_PM_TEXT32,
    WH_PM_TEXT_I32,
    WH_PM_LONG8,
    WH_PM_LONG32,
    WH_PM_LINES
} wh_pickle_form;

/* pickle_ops.c: all opcodes that there are. */
typedef struct wh_pickle_opcode {
    whit_status (*run)(wh_pickle_machine *m); /* NULL: not allowed */
    wh_pickle_form form;
} wh_pickle_opcode;
extern const wh_pickle_opcode wh_pickle_opcodes[256];

#endif
