/* src/io/pickle.c - a machine that reads pickles, protocols 2 to 5, and does nothing else.
 *
 * A pickle is a program for a machine with a stack: opcodes of one octet, with arguments behind
 * them, push values, gather them and, in Python, call whatever they name. Here the table below is
 * all that there is. Names come from the caller's table; a call becomes a value that holds the name
 * and its arguments; only a dict that a name makes (OrderedDict) is made. State that is set on a
 * dict or a call (opcode BUILD: versions of modules) is dropped.
 *
 * Values are nodes in one array, items of tuples, lists and dicts cells in another: an opcode makes
 * one node at most and uses a cell for each item that it takes from the stack, so both are bounded
 * by the octets of the pickle, and by MOST_NODES. The memo is indexed as picklers do, by 0, 1, ..;
 * an index beyond the octets of the pickle is an error. The stack of marks is a stack of heights;
 * nothing is popped below the last mark. No recursion: depth costs nothing here.
 *
 * Not here: what names mean (torch.c).
 * Source: python/cpython, Lib/pickle.py and Lib/pickletools.py.
 * SPDX-License-Identifier: MIT */
#include "io/pickle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/mem.h"

#define MOST_NODES 4000000u
#define MOST_STACK 1000000u

typedef struct machine {
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
} machine;

/* ---- messages -------------------------------------------------------------------------------- */

static whit_status bad(const machine *m, const char *what)
{
    return wh_fail(m->err, WHIT_ERR_FORMAT, "%s: pickle: %s, at byte %zu", m->label, what,
                   m->op_at);
}

static whit_status no_memory(const machine *m)
{
    return wh_fail(m->err, WHIT_ERR_NOMEM, "%s: no memory for its values", m->label);
}

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

/* ---- nodes and the stack --------------------------------------------------------------------- */

static int grow(uint32_t **data, size_t *cap, size_t need)
{
    void *d = *data;
    const int ok = wh_grow(&d, cap, need, sizeof **data);
    *data = d;
    return ok;
}

static whit_status push(machine *m, uint32_t node)
{
    if (m->height == MOST_STACK) return bad(m, "more than a million values on the stack");
    if (!grow(&m->stack, &m->stack_cap, m->height + 1)) return no_memory(m);
    m->stack[m->height++] = node;
    return WHIT_OK;
}

static size_t floor_of(const machine *m)
{
    return m->marks > 0 ? m->mark[m->marks - 1] : 0;
}

static whit_status pop(machine *m, uint32_t *node)
{
    if (m->height == floor_of(m)) return bad(m, "takes a value where the stack has none");
    *node = m->stack[--m->height];
    return WHIT_OK;
}

static whit_status top(machine *m, wh_pickle_node **node)
{
    if (m->height == floor_of(m)) return bad(m, "takes a value where the stack has none");
    *node = &m->p->node[m->stack[m->height - 1]];
    return WHIT_OK;
}

static whit_status push_new(machine *m, wh_pickle_node value)
{
    wh_pickle *p = m->p;
    void *nodes = p->node;
    if (p->nodes == MOST_NODES) return bad(m, "more than 4000000 values");
    if (!wh_grow(&nodes, &p->node_cap, (size_t)p->nodes + 1, sizeof *p->node)) return no_memory(m);
    p->node = nodes;
    p->node[p->nodes++] = value;
    return push(m, p->nodes - 1);
}

static whit_status push_items(machine *m, wh_pickle_kind kind)
{
    return push_new(m,
                    (wh_pickle_node){ .kind = kind, .u.items = { WH_PICKLE_END, WH_PICKLE_END } });
}

/* One more item at the end. */
static whit_status add_item(machine *m, uint32_t to, uint32_t item)
{
    wh_pickle *p = m->p;
    void *cells = p->cell;
    if (p->cells == 2 * MOST_NODES) return bad(m, "more than 8000000 items");
    if (!wh_grow(&cells, &p->cell_cap, (size_t)p->cells + 1, sizeof *p->cell)) return no_memory(m);
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

/* ---- what opcodes do ------------------------------------------------------------------------- */

static whit_status do_proto(machine *m)
{
    if (m->op_at != 0) return bad(m, "says its protocol twice");
    return m->number >= 2 && m->number <= 5 ? WHIT_OK : bad(m, "a protocol that is not read");
}

static whit_status do_frame(machine *m)
{
    return (uint64_t)m->number > m->len - m->at ? bad(m, "a frame ends beyond it") : WHIT_OK;
}

static whit_status do_stop(machine *m)
{
    whit_status st = pop(m, &m->p->root);
    if (st == WHIT_OK && (m->height > 0 || m->marks > 0)) st = bad(m, "ends with values left over");
    m->done = 1;
    return st;
}

static whit_status do_none(machine *m)
{
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_NONE });
}

static whit_status do_true(machine *m)
{
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_BOOL, .u.number = 1 });
}

static whit_status do_false(machine *m)
{
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_BOOL });
}

static whit_status do_int(machine *m)
{
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_INT, .u.number = m->number });
}

static whit_status do_float(machine *m)
{
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_FLOAT });
}

static int is_utf8(const unsigned char *p, size_t len)
{
    for (size_t i = 0, n; i < len; i += n)
        if ((n = wh_utf8_sequence(p + i, len - i)) == 0) return 0;
    return 1;
}

static whit_status push_text(machine *m, wh_pickle_kind kind)
{
    return push_new(m, (wh_pickle_node){ .kind = kind, .count = m->text_len, .u.at = m->text });
}

static whit_status do_text(machine *m)
{
    if (!is_utf8(m->p->text + m->text, m->text_len)) return bad(m, "a text that is no UTF-8");
    return push_text(m, WH_PICKLE_TEXT);
}

/* Python 2 wrote its texts so. */
static whit_status do_string(machine *m)
{
    const int utf8 = is_utf8(m->p->text + m->text, m->text_len);
    return push_text(m, utf8 ? WH_PICKLE_TEXT : WH_PICKLE_OCTETS);
}

static whit_status do_octets(machine *m)
{
    return push_text(m, WH_PICKLE_OCTETS);
}

static whit_status do_mark(machine *m)
{
    if (m->marks == MOST_STACK) return bad(m, "more than a million marks");
    if (!grow(&m->mark, &m->mark_cap, m->marks + 1)) return no_memory(m);
    m->mark[m->marks++] = (uint32_t)m->height;
    return WHIT_OK;
}

static whit_status do_pop(machine *m)
{
    uint32_t dropped;
    if (m->marks > 0 && m->height == floor_of(m)) {
        m->marks--;
        return WHIT_OK;
    }
    return pop(m, &dropped);
}

static whit_status do_dup(machine *m)
{
    if (m->height == floor_of(m)) return bad(m, "takes a value where the stack has none");
    return push(m, m->stack[m->height - 1]);
}

static whit_status do_empty_tuple(machine *m)
{
    return push_items(m, WH_PICKLE_TUPLE);
}

static whit_status do_empty_list(machine *m)
{
    return push_items(m, WH_PICKLE_LIST);
}

static whit_status do_empty_dict(machine *m)
{
    return push_items(m, WH_PICKLE_DICT);
}

static whit_status do_empty_set(machine *m)
{
    return push_items(m, WH_PICKLE_SET);
}

/* The last n values of the stack become one tuple. */
static whit_status gather(machine *m, size_t n)
{
    const size_t from = m->height - n;
    whit_status st = push_items(m, WH_PICKLE_TUPLE);
    if (st != WHIT_OK) return st;
    const uint32_t tuple = m->stack[m->height - 1];
    for (size_t i = from; i < from + n && st == WHIT_OK; i++) st = add_item(m, tuple, m->stack[i]);
    m->height = from;
    return st == WHIT_OK ? push(m, tuple) : st;
}

static whit_status short_tuple(machine *m, size_t n)
{
    if (m->height - floor_of(m) < n) return bad(m, "takes a value where the stack has none");
    return gather(m, n);
}

static whit_status do_tuple1(machine *m)
{
    return short_tuple(m, 1);
}

static whit_status do_tuple2(machine *m)
{
    return short_tuple(m, 2);
}

static whit_status do_tuple3(machine *m)
{
    return short_tuple(m, 3);
}

/* The number of values above the last mark, which goes. */
static whit_status unmark(machine *m, size_t *n)
{
    if (m->marks == 0) return bad(m, "goes back to a mark where there is none");
    *n = m->height - m->mark[--m->marks];
    return WHIT_OK;
}

static whit_status do_tuple(machine *m)
{
    size_t n = 0;
    whit_status st = unmark(m, &n);
    return st == WHIT_OK ? gather(m, n) : st;
}

/* The last n values go to the end of what is below them. */
static whit_status extend(machine *m, size_t n, wh_pickle_kind kind)
{
    wh_pickle_node *to = NULL;
    const size_t from = m->height - n;
    whit_status st = WHIT_OK;
    m->height = from;
    st = top(m, &to);
    if (st != WHIT_OK) return st;
    if (to->kind != (uint32_t)kind)
        return bad(m, kind == WH_PICKLE_LIST ? "appends to what is no list"
                                             : "sets an item of what is no dict");
    if (kind == WH_PICKLE_DICT && n % 2 != 0) return bad(m, "a key without a value");
    const uint32_t node = m->stack[from - 1];
    for (size_t i = 0; i < n && st == WHIT_OK; i++) st = add_item(m, node, m->stack[from + i]);
    return st;
}

static whit_status take_some(machine *m, size_t n, wh_pickle_kind kind)
{
    if (m->height - floor_of(m) < n) return bad(m, "takes a value where the stack has none");
    return extend(m, n, kind);
}

static whit_status take_marked(machine *m, wh_pickle_kind kind)
{
    size_t n = 0;
    whit_status st = unmark(m, &n);
    return st == WHIT_OK ? extend(m, n, kind) : st;
}

static whit_status do_append(machine *m)
{
    return take_some(m, 1, WH_PICKLE_LIST);
}

static whit_status do_appends(machine *m)
{
    return take_marked(m, WH_PICKLE_LIST);
}

static whit_status do_setitem(machine *m)
{
    return take_some(m, 2, WH_PICKLE_DICT);
}

static whit_status do_setitems(machine *m)
{
    return take_marked(m, WH_PICKLE_DICT);
}

static whit_status remember(machine *m, uint64_t index)
{
    wh_pickle_node *n = NULL;
    whit_status st = top(m, &n);
    if (st != WHIT_OK) return st;
    if (index >= m->len) return bad(m, "remembers a value under a number beyond its own size");
    if (index >= m->memo_len) {
        if (!grow(&m->memo, &m->memo_cap, (size_t)index + 1)) return no_memory(m);
        memset(m->memo + m->memo_len, 0, ((size_t)index + 1 - m->memo_len) * sizeof *m->memo);
        m->memo_len = (size_t)index + 1;
    }
    m->memo[index] = m->stack[m->height - 1] + 1;
    return WHIT_OK;
}

static whit_status do_put(machine *m)
{
    return remember(m, (uint64_t)m->number);
}

static whit_status do_memoize(machine *m)
{
    return remember(m, m->memo_len);
}

static whit_status do_get(machine *m)
{
    const uint64_t index = (uint64_t)m->number;
    if (index >= m->memo_len || m->memo[index] == 0)
        return bad(m, "recalls a value that it did not remember");
    return push(m, m->memo[index] - 1);
}

/* ---- names and calls ------------------------------------------------------------------------- */

static int is_same(const unsigned char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}

static whit_status push_global(machine *m, uint32_t module, size_t module_len, uint32_t name,
                               size_t name_len)
{
    const unsigned char *text = m->p->text;
    char a[WH_SHORT], b[WH_SHORT];
    for (size_t i = 0; i < m->globals; i++)
        if (is_same(text + module, module_len, m->p->globals[i].module) &&
            is_same(text + name, name_len, m->p->globals[i].name))
            return push_new(
                m, (wh_pickle_node){ .kind = WH_PICKLE_GLOBAL, .u.call.global = (uint32_t)i });
    return wh_fail(m->err, WHIT_ERR_UNSUPPORTED,
                   "%s: pickle: %s.%s, at byte %zu, is no name that is read (and nothing is ever "
                   "run); try: save the tensors alone, as safetensors",
                   m->label, spell(a, text + module, module_len), spell(b, text + name, name_len),
                   m->op_at);
}

static whit_status do_global(machine *m)
{
    return push_global(m, m->text, m->text_len, m->line, m->line_len);
}

static whit_status do_stack_global(machine *m)
{
    uint32_t name = 0, module = 0;
    whit_status st = pop(m, &name);
    if (st == WHIT_OK) st = pop(m, &module);
    if (st != WHIT_OK) return st;
    const wh_pickle_node *a = &m->p->node[module], *b = &m->p->node[name];
    if (a->kind != WH_PICKLE_TEXT || b->kind != WH_PICKLE_TEXT)
        return bad(m, "a name that is no text");
    return push_global(m, a->u.at, a->count, b->u.at, b->count);
}

/* A dict of a list of pairs, the only argument; or of nothing. */
static whit_status push_dict(machine *m, const wh_pickle_node *args)
{
    wh_pickle *p = m->p;
    const wh_pickle_node *list = wh_pickle_item(p, args, 0);
    if (args->count > 1 || (list && list->kind != WH_PICKLE_LIST))
        return bad(m, "a dict of something else than a list of pairs");
    uint32_t cell = list && list->count > 0 ? list->u.items.first : WH_PICKLE_END;
    whit_status st = push_items(m, WH_PICKLE_DICT);
    const uint32_t dict = p->nodes - 1;
    for (; cell != WH_PICKLE_END && st == WHIT_OK; cell = p->cell[cell].next) {
        const wh_pickle_node *pair = &p->node[p->cell[cell].node];
        if ((pair->kind != WH_PICKLE_TUPLE && pair->kind != WH_PICKLE_LIST) || pair->count != 2)
            return bad(m, "a dict of something else than a list of pairs");
        const uint32_t first = pair->u.items.first;
        st = add_item(m, dict, p->cell[first].node);
        if (st == WHIT_OK) st = add_item(m, dict, p->cell[p->cell[first].next].node);
    }
    return st;
}

static whit_status do_reduce(machine *m)
{
    uint32_t args = 0, callee = 0;
    whit_status st = pop(m, &args);
    if (st == WHIT_OK) st = pop(m, &callee);
    if (st != WHIT_OK) return st;
    const wh_pickle_node *c = &m->p->node[callee], *a = &m->p->node[args];
    if (c->kind != WH_PICKLE_GLOBAL) return bad(m, "calls what is no name");
    if (a->kind != WH_PICKLE_TUPLE) return bad(m, "a call whose arguments are no tuple");
    const wh_pickle_global *g = &m->p->globals[c->u.call.global];
    if (g->use == WH_PICKLE_MAKES_DICT) return push_dict(m, a);
    if (g->use == WH_PICKLE_ONLY_NAMED)
        return wh_fail(m->err, WHIT_ERR_UNSUPPORTED, "%s: pickle: a call of %s.%s, at byte %zu",
                       m->label, g->module, g->name, m->op_at);
    return push_new(
        m, (wh_pickle_node){ .kind = WH_PICKLE_CALL, .u.call = { c->u.call.global, args } });
}

static whit_status do_build(machine *m)
{
    uint32_t state = 0;
    wh_pickle_node *n = NULL;
    whit_status st = pop(m, &state);
    if (st == WHIT_OK) st = top(m, &n);
    if (st != WHIT_OK) return st;
    return n->kind == WH_PICKLE_DICT || n->kind == WH_PICKLE_CALL
               ? WHIT_OK
               : bad(m, "sets the state of what has none");
}

static whit_status do_persistent(machine *m)
{
    uint32_t id = 0;
    whit_status st = pop(m, &id);
    if (st != WHIT_OK) return st;
    return push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_PERSISTENT, .u.call.value = id });
}

/* ---- the table ------------------------------------------------------------------------------- */

/* What follows an opcode: a number, or a text whose length is one. */
typedef enum form {
    NOTHING,
    U8,
    U16,
    I32,
    U32,
    U64,
    F64,
    TEXT8,
    TEXT32,
    TEXT_I32,
    LONG8,
    LONG32,
    LINES
} form;

static const struct opcode {
    whit_status (*run)(machine *m); /* NULL: not allowed */
    form form;
} opcodes[256] = {
    /* clang-format off */
    [0x80] = { do_proto, U8 },           [0x95] = { do_frame, U64 },
    ['.']  = { do_stop, NOTHING },       ['N']  = { do_none, NOTHING },
    [0x88] = { do_true, NOTHING },       [0x89] = { do_false, NOTHING },
    ['J']  = { do_int, I32 },            ['K']  = { do_int, U8 },
    ['M']  = { do_int, U16 },            [0x8a] = { do_int, LONG8 },
    [0x8b] = { do_int, LONG32 },         ['G']  = { do_float, F64 },
    ['X']  = { do_text, TEXT32 },        [0x8c] = { do_text, TEXT8 },
    ['U']  = { do_string, TEXT8 },       ['T']  = { do_string, TEXT_I32 },
    ['B']  = { do_octets, TEXT32 },      ['C']  = { do_octets, TEXT8 },
    ['(']  = { do_mark, NOTHING },       ['0']  = { do_pop, NOTHING },
    ['2']  = { do_dup, NOTHING },        [')']  = { do_empty_tuple, NOTHING },
    [']']  = { do_empty_list, NOTHING }, ['}']  = { do_empty_dict, NOTHING },
    [0x8f] = { do_empty_set, NOTHING },  ['t']  = { do_tuple, NOTHING },
    [0x85] = { do_tuple1, NOTHING },     [0x86] = { do_tuple2, NOTHING },
    [0x87] = { do_tuple3, NOTHING },     ['a']  = { do_append, NOTHING },
    ['e']  = { do_appends, NOTHING },    ['s']  = { do_setitem, NOTHING },
    ['u']  = { do_setitems, NOTHING },   ['q']  = { do_put, U8 },
    ['r']  = { do_put, U32 },            [0x94] = { do_memoize, NOTHING },
    ['h']  = { do_get, U8 },             ['j']  = { do_get, U32 },
    ['c']  = { do_global, LINES },       [0x93] = { do_stack_global, NOTHING },
    ['R']  = { do_reduce, NOTHING },     [0x81] = { do_reduce, NOTHING },
    ['b']  = { do_build, NOTHING },      ['Q']  = { do_persistent, NOTHING },
    /* clang-format on */
};

static whit_status ends(const machine *m)
{
    return bad(m, m->len < WH_PICKLE_MOST ? "ends in the middle" : "more than 32 MiB");
}

/* A line, without its newline. */
static int take_line(machine *m, uint32_t *text, uint32_t *len)
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

static whit_status take_argument(machine *m, form f)
{
    static const uint8_t sizes[] = {
        [U8] = 1,    [U16] = 2,    [I32] = 4,      [U32] = 4,   [U64] = 8,    [F64] = 8,
        [TEXT8] = 1, [TEXT32] = 4, [TEXT_I32] = 4, [LONG8] = 1, [LONG32] = 4, [LINES] = 0
    };
    const unsigned char *p = m->p->text + m->at;
    const size_t size = sizes[f];
    if (f == LINES) {
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
    m->number = f == I32 ? (int32_t)(uint32_t)v : (int64_t)v;
    if (f < TEXT8) return WHIT_OK;
    if (v > m->len - m->at) return ends(m);
    m->text = (uint32_t)m->at;
    m->text_len = (uint32_t)v;
    m->at += (size_t)v;
    if (f < LONG8) return WHIT_OK;
    if (v > 8) return bad(m, "a whole number of more than 64 bits");
    m->number = long_of(m->p->text + m->text, (size_t)v);
    return WHIT_OK;
}

static whit_status run(machine *m)
{
    whit_status st = WHIT_OK;
    while (st == WHIT_OK && !m->done) {
        m->op_at = m->at;
        if (m->at == m->len) return ends(m);
        const unsigned char code = m->p->text[m->at++];
        if (!opcodes[code].run)
            return wh_fail(m->err, WHIT_ERR_UNSUPPORTED,
                           "%s: pickle: opcode 0x%02x, at byte %zu, is not among those that a "
                           "checkpoint needs; try: save the tensors alone, as safetensors",
                           m->label, code, m->op_at);
        if (m->op_at == 0 && code != 0x80) return bad(m, "does not begin with its protocol");
        if (opcodes[code].form != NOTHING) st = take_argument(m, opcodes[code].form);
        if (st == WHIT_OK) st = opcodes[code].run(m);
    }
    return st;
}

whit_status wh_pickle_read(wh_pickle *p, const char *label, const void *text, size_t len,
                           const wh_pickle_global *globals, size_t count, whit_error *err)
{
    memset(p, 0, sizeof *p);
    p->text = text;
    p->globals = globals;
    machine m = { .p = p,
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
    return n->kind == WH_PICKLE_TEXT && is_same(p->text + n->u.at, n->count, text);
}
