/* src/io/pickle.c - a machine that reads pickles, protocols 2 to 5, and does nothing else.
 *
 * A pickle is a program for a machine with a stack: opcodes of one octet, with arguments behind
 * them, push values, gather them and, in Python, call whatever they name. Here the table in
 * pickle_ops.c is all that there is. Opcodes and their arguments are taken off here, one after the
 * other; no recursion: depth costs nothing.
 *
 * Not here: values and stack (pickle_stack.c), what opcodes do (pickle_ops.c, pickle_calls.c), what
 * names mean (torch.c). Source: python/cpython, Lib/pickle.py and Lib/pickletools.py.
 * SPDX-License-Identifier: MIT */
#include "io/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static whit_status ends(const wh_pickle_machine *m)
{
    return wh_pm_bad(m, m->len < WH_PICKLE_MOST ? "ends in the middle" : "more than 32 MiB");
}

/* A line, without its newline. */
static int take_line(wh_pickle_machine *m, uint32_t *text, uint32_t *len)
{
    const unsigned char *from = m->p->text + m->at;
    const unsigned char *end = memchr(from, '\n', m->len - m->at);
    if (!end) return 0;
    *text = (uint32_t)m->at;
    *len = (uint32_t)(end - from);
    m->at += *len + 1;
    return 1;
}

/* The last n octets that were read, as a whole number in two's complement. */
static int64_t long_of(const unsigned char *p, size_t n)
{
    uint64_t v = n > 0 && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0;) v = v << 8 | p[i];
    return (int64_t)v;
}

static whit_status take_argument(wh_pickle_machine *m, wh_pickle_form f)
{
    static const uint8_t sizes[] = {
        [WH_PM_U8] = 1,       [WH_PM_U16] = 2,   [WH_PM_I32] = 4,    [WH_PM_U32] = 4,
        [WH_PM_U64] = 8,      [WH_PM_F64] = 8,   [WH_PM_TEXT8] = 1,  [WH_PM_TEXT32] = 4,
        [WH_PM_TEXT_I32] = 4, [WH_PM_LONG8] = 1, [WH_PM_LONG32] = 4, [WH_PM_LINES] = 0
    };
    const unsigned char *p = m->p->text + m->at;
    const size_t size = sizes[f];
    if (f == WH_PM_LINES) {
        if (!take_line(m, &m->text, &m->text_len) || !take_line(m, &m->line, &m->line_len))
            return ends(m);
        return WHIT_OK;
    }
    if (size > m->len - m->at) return ends(m);
    m->at += size;
    const uint64_t v = size == 1   ? p[0]
                       : size == 2 ? wh_load16(p)
                       : size == 4 ? wh_load32(p)
                       : size == 8 ? wh_load64(p)
                                   : 0;
    m->number = f == WH_PM_I32 ? (int32_t)(uint32_t)v : (int64_t)v;
    if (f < WH_PM_TEXT8) return WHIT_OK;
    if (v > m->len - m->at) return ends(m);
    m->text = (uint32_t)m->at;
    m->text_len = (uint32_t)v;
    m->at += (size_t)v;
    if (f < WH_PM_LONG8) return WHIT_OK;
    m->number = v > 8 ? 0 : long_of(m->p->text + m->text, (size_t)v);
    return WHIT_OK;
}

static whit_status run(wh_pickle_machine *m)
{
    whit_status st = WHIT_OK;
    while (st == WHIT_OK && !m->done) {
        m->op_at = m->at;
        if (m->at == m->len) return ends(m);
        const unsigned char code = m->p->text[m->at++];
        if (!wh_pickle_opcodes[code].run)
            return wh_fail(m->err, WHIT_ERR_UNSUPPORTED,
                           "%s: pickle: opcode 0x%02x, at byte %zu, is not among those that a "
                           "checkpoint needs; try: save the tensors alone, as safetensors",
                           m->label, code, m->op_at);
        if (m->op_at == 0 && code != 0x80) return wh_pm_bad(m, "does not begin with its protocol");
        if (wh_pickle_opcodes[code].form != WH_PM_NOTHING)
            st = take_argument(m, wh_pickle_opcodes[code].form);
        if (st == WHIT_OK) st = wh_pickle_opcodes[code].run(m);
    }
    return st;
}

whit_status wh_pickle_read(wh_pickle *p, const char *label, const void *text, size_t len,
                           const wh_pickle_global *globals, size_t count, whit_error *err)
{
    memset(p, 0, sizeof *p);
    p->text = text;
    p->globals = globals;
    wh_pickle_machine m = { .p = p,
                            .label = label,
                            .len = len < WH_PICKLE_MOST ? len : WH_PICKLE_MOST,
                            .globals = count,
                            .err = err };
    whit_status st = run(&m);
    p->end = m.at;
    free(m.stack);
    free(m.mark);
    free(m.memo);
    return st;
}

void wh_pickle_free(wh_pickle *p)
{
    free(p->node);
    free(p->cell);
    memset(p, 0, sizeof *p);
}

const wh_pickle_node *wh_pickle_item(const wh_pickle *p, const wh_pickle_node *n, uint32_t i)
{
    if (i >= n->count) return NULL;
    uint32_t cell = n->u.items.first;
    for (; i > 0; i--) cell = p->cell[cell].next;
    return &p->node[p->cell[cell].node];
}

int wh_pickle_is(const wh_pickle *p, const wh_pickle_node *n, const char *text)
{
    return n->kind == WH_PICKLE_TEXT && wh_pm_is_same(p->text + n->u.at, n->count, text);
}

const wh_pickle_node *wh_pickle_find(const wh_pickle *p, const wh_pickle_node *n, const char *key)
{
    const wh_pickle_node *found = NULL;
    if (n->kind != WH_PICKLE_DICT || n->count == 0) return NULL;
    for (uint32_t cell = n->u.items.first; cell != WH_PICKLE_END;) {
        const uint32_t value = p->cell[cell].next; /* dicts hold pairs */
        if (wh_pickle_is(p, &p->node[p->cell[cell].node], key))
            found = &p->node[p->cell[value].node];
        cell = p->cell[value].next;
    }
    return found;
}
