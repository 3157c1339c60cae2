/* src/io/pickle_calls.c - names in a pickle, and calls of them, which are never made.
 *
 * A name that is not in the caller's table is refused, by name and place. A call becomes a value
 * that holds the name and its arguments; only a dict that a name makes (OrderedDict) is made. State
 * that is set on a dict or a call (opcode BUILD: versions of modules) is dropped.
 *
 * SPDX-License-Identifier: MIT */
#include "io/pickle_machine.h"

#include <stdio.h>

/* Printable ASCII of a name that a stranger chose; other octets as \xNN, so that no letter can pass
 * for another. */
static const char *spell(char buf[WH_SHORT], const unsigned char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 5 < WH_SHORT; i++)
        n += (size_t)snprintf(buf + n, WH_SHORT - n,
                              text[i] > ' ' && text[i] < 0x7f ? "%c" : "\\x%02x", text[i]);
    buf[n] = 0;
    return buf;
}

static whit_status push_global(wh_pickle_machine *m, uint32_t module, size_t module_len,
                               uint32_t name, size_t name_len)
{
    const unsigned char *text = m->p->text;
    char a[WH_SHORT], b[WH_SHORT];
    for (size_t i = 0; i < m->globals; i++)
        if (wh_pm_is_same(text + module, module_len, m->p->globals[i].module) &&
            wh_pm_is_same(text + name, name_len, m->p->globals[i].name))
            return wh_pm_push_new(
                m, (wh_pickle_node){ .kind = WH_PICKLE_GLOBAL, .u.call.global = (uint32_t)i });
    return wh_fail(m->err, WHIT_ERR_UNSUPPORTED,
                   "%s: pickle: %s.%s, at byte %zu, is no name that is read (and nothing is ever "
                   "run); try: save the tensors alone, as safetensors",
                   m->label, spell(a, text + module, module_len), spell(b, text + name, name_len),
                   m->op_at);
}

whit_status wh_pm_global(wh_pickle_machine *m)
{
    return push_global(m, m->text, m->text_len, m->line, m->line_len);
}

whit_status wh_pm_stack_global(wh_pickle_machine *m)
{
    uint32_t name = 0, module = 0;
    whit_status st = wh_pm_pop(m, &name);
    if (st == WHIT_OK) st = wh_pm_pop(m, &module);
    if (st != WHIT_OK) return st;
    const wh_pickle_node *a = &m->p->node[module], *b = &m->p->node[name];
    if (a->kind != WH_PICKLE_TEXT || b->kind != WH_PICKLE_TEXT)
        return wh_pm_bad(m, "a name that is no text");
    return push_global(m, a->u.at, a->count, b->u.at, b->count);
}

/* A dict of a list of pairs, the only argument; or of nothing. */
static whit_status push_dict(wh_pickle_machine *m, const wh_pickle_node *args)
{
    wh_pickle *p = m->p;
    const wh_pickle_node *list = wh_pickle_item(p, args, 0);
    if (args->count > 1 || (list && list->kind != WH_PICKLE_LIST))
        return wh_pm_bad(m, "a dict of something else than a list of pairs");
    uint32_t cell = list && list->count > 0 ? list->u.items.first : WH_PICKLE_END;
    whit_status st = wh_pm_push_items(m, WH_PICKLE_DICT);
    const uint32_t dict = p->nodes - 1;
    for (; cell != WH_PICKLE_END && st == WHIT_OK; cell = p->cell[cell].next) {
        const wh_pickle_node *pair = &p->node[p->cell[cell].node];
        if ((pair->kind != WH_PICKLE_TUPLE && pair->kind != WH_PICKLE_LIST) || pair->count != 2)
            return wh_pm_bad(m, "a dict of something else than a list of pairs");
        const uint32_t first = pair->u.items.first;
        st = wh_pm_add_item(m, dict, p->cell[first].node);
        if (st == WHIT_OK) st = wh_pm_add_item(m, dict, p->cell[p->cell[first].next].node);
    }
    return st;
}

whit_status wh_pm_reduce(wh_pickle_machine *m)
{
    uint32_t args = 0, callee = 0;
    whit_status st = wh_pm_pop(m, &args);
    if (st == WHIT_OK) st = wh_pm_pop(m, &callee);
    if (st != WHIT_OK) return st;
    const wh_pickle_node *c = &m->p->node[callee], *a = &m->p->node[args];
    if (c->kind != WH_PICKLE_GLOBAL) return wh_pm_bad(m, "calls what is no name");
    if (a->kind != WH_PICKLE_TUPLE) return wh_pm_bad(m, "a call whose arguments are no tuple");
    const wh_pickle_global *g = &m->p->globals[c->u.call.global];
    if (g->use == WH_PICKLE_MAKES_DICT) return push_dict(m, a);
    if (g->use == WH_PICKLE_ONLY_NAMED)
        return wh_fail(m->err, WHIT_ERR_UNSUPPORTED, "%s: pickle: a call of %s.%s, at byte %zu",
                       m->label, g->module, g->name, m->op_at);
    return wh_pm_push_new(
        m, (wh_pickle_node){ .kind = WH_PICKLE_CALL, .u.call = { c->u.call.global, args } });
}

whit_status wh_pm_build(wh_pickle_machine *m)
{
    uint32_t state = 0;
    wh_pickle_node *n = NULL;
    whit_status st = wh_pm_pop(m, &state);
    if (st == WHIT_OK) st = wh_pm_top(m, &n);
    if (st != WHIT_OK) return st;
    return n->kind == WH_PICKLE_DICT || n->kind == WH_PICKLE_CALL
               ? WHIT_OK
               : wh_pm_bad(m, "sets the state of what has none");
}

whit_status wh_pm_persistent(wh_pickle_machine *m)
{
    uint32_t id = 0;
    whit_status st = wh_pm_pop(m, &id);
    if (st != WHIT_OK) return st;
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_PERSISTENT, .u.call.value = id });
}
