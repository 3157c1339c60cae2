/* src/io/pickle_stack.c - the values of the machine that reads pickles, and its stack.
 *
 * Values are nodes in one array, items of tuples, lists and dicts cells in another: an opcode makes
 * one node at most and uses a cell for each item that it takes from the stack, so both are bounded
 * by the octets of the pickle, and by MOST_NODES. The stack of marks is a stack of heights; nothing
 * is popped below the last mark.
 *
 * SPDX-License-Identifier: MIT */
#include "io/pickle_machine.h"

#include <string.h>

#include "base/mem.h"

#define MOST_NODES 4000000u

/* ---- messages -------------------------------------------------------------------------------- */

whit_status wh_pm_bad(const wh_pickle_machine *m, const char *what)
{
    return wh_fail(m->err, WHIT_ERR_FORMAT, "%s: pickle: %s, at byte %zu", m->label, what,
                   m->op_at);
}

whit_status wh_pm_no_memory(const wh_pickle_machine *m)
{
    return wh_fail(m->err, WHIT_ERR_NOMEM, "%s: no memory for its values", m->label);
}

/* ---- nodes and the stack --------------------------------------------------------------------- */

int wh_pm_grow(uint32_t **data, size_t *cap, size_t need)
{
    void *d = *data;
    const int ok = wh_grow(&d, cap, need, sizeof **data);
    *data = d;
    return ok;
}

whit_status wh_pm_push(wh_pickle_machine *m, uint32_t node)
{
    if (m->height == WH_PM_MOST_STACK)
        return wh_pm_bad(m, "more than a million values on the stack");
    if (!wh_pm_grow(&m->stack, &m->stack_cap, m->height + 1)) return wh_pm_no_memory(m);
    m->stack[m->height++] = node;
    return WHIT_OK;
}

size_t wh_pm_floor(const wh_pickle_machine *m)
{
    return m->marks > 0 ? m->mark[m->marks - 1] : 0;
}

whit_status wh_pm_pop(wh_pickle_machine *m, uint32_t *node)
{
    if (m->height == wh_pm_floor(m)) return wh_pm_bad(m, "takes a value where the stack has none");
    *node = m->stack[--m->height];
    return WHIT_OK;
}

whit_status wh_pm_top(wh_pickle_machine *m, wh_pickle_node **node)
{
    if (m->height == wh_pm_floor(m)) return wh_pm_bad(m, "takes a value where the stack has none");
    *node = &m->p->node[m->stack[m->height - 1]];
    return WHIT_OK;
}

whit_status wh_pm_push_new(wh_pickle_machine *m, wh_pickle_node value)
{
    wh_pickle *p = m->p;
    void *nodes = p->node;
    if (p->nodes == MOST_NODES) return wh_pm_bad(m, "more than 4000000 values");
    if (!wh_grow(&nodes, &p->node_cap, (size_t)p->nodes + 1, sizeof *p->node))
        return wh_pm_no_memory(m);
    p->node = nodes;
    p->node[p->nodes++] = value;
    return wh_pm_push(m, p->nodes - 1);
}

whit_status wh_pm_push_items(wh_pickle_machine *m, wh_pickle_kind kind)
{
    return wh_pm_push_new(
        m, (wh_pickle_node){ .kind = kind, .u.items = { WH_PICKLE_END, WH_PICKLE_END } });
}

/* One more item at the end. */
whit_status wh_pm_add_item(wh_pickle_machine *m, uint32_t to, uint32_t item)
{
    wh_pickle *p = m->p;
    void *cells = p->cell;
    if (p->cells == 2 * MOST_NODES) return wh_pm_bad(m, "more than 8000000 items");
    if (!wh_grow(&cells, &p->cell_cap, (size_t)p->cells + 1, sizeof *p->cell))
        return wh_pm_no_memory(m);
    p->cell = cells;
    p->cell[p->cells] = (wh_pickle_cell){ item, WH_PICKLE_END };
    wh_pickle_node *n = &p->node[to];
    if (n->count++ == 0)
        n->u.items.first = p->cells;
    else
        p->cell[n->u.items.last].next = p->cells;
    n->u.items.last = p->cells++;
    return WHIT_OK;
}

int wh_pm_is_same(const unsigned char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}
