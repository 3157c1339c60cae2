/* src/io/pickle_ops.c - what the opcodes of a pickle do that are allowed, and their table.
 *
 * The memo is indexed as picklers do, by 0, 1, .. (Python 2: 1, 2, ..); an index beyond the number
 * of values that were made is an error. State that is set on a dict or a call is dropped.
 *
 * Not here: names and calls (pickle_calls.c). Source: python/cpython, Lib/pickle.py and
 * Lib/pickletools.py.
 * SPDX-License-Identifier: MIT */
#include "io/pickle_machine.h"

#include <string.h>

#include "base/json.h"

static whit_status do_proto(wh_pickle_machine *m)
{
    if (m->op_at != 0) return wh_pm_bad(m, "says its protocol twice");
    return m->number >= 2 && m->number <= 5 ? WHIT_OK : wh_pm_bad(m, "a protocol that is not read");
}

static whit_status do_frame(wh_pickle_machine *m)
{
    return (uint64_t)m->number > m->len - m->at ? wh_pm_bad(m, "a frame ends beyond it") : WHIT_OK;
}

static whit_status do_stop(wh_pickle_machine *m)
{
    whit_status st = wh_pm_pop(m, &m->p->root);
    if (st == WHIT_OK && (m->height > 0 || m->marks > 0))
        st = wh_pm_bad(m, "ends with values left over");
    m->done = 1;
    return st;
}

static whit_status do_none(wh_pickle_machine *m)
{
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_NONE });
}

static whit_status do_true(wh_pickle_machine *m)
{
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_BOOL, .u.number = 1 });
}

static whit_status do_false(wh_pickle_machine *m)
{
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_BOOL });
}

static whit_status do_int(wh_pickle_machine *m)
{
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_INT, .u.number = m->number });
}

/* Random seeds and the like go beyond 64 bits; no size does. */
static whit_status do_long(wh_pickle_machine *m)
{
    if (m->text_len <= 8) return do_int(m);
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_LONG });
}

static whit_status do_float(wh_pickle_machine *m)
{
    return wh_pm_push_new(m, (wh_pickle_node){ .kind = WH_PICKLE_FLOAT });
}

static int is_utf8(const unsigned char *p, size_t len)
{
    for (size_t i = 0, n; i < len; i += n)
        if ((n = wh_utf8_sequence(p + i, len - i)) == 0) return 0;
    return 1;
}

static whit_status push_text(wh_pickle_machine *m, wh_pickle_kind kind)
{
    return wh_pm_push_new(m,
                          (wh_pickle_node){ .kind = kind, .count = m->text_len, .u.at = m->text });
}

static whit_status do_text(wh_pickle_machine *m)
{
    if (!is_utf8(m->p->text + m->text, m->text_len)) return wh_pm_bad(m, "a text that is no UTF-8");
    return push_text(m, WH_PICKLE_TEXT);
}

/* Python 2 wrote its texts so. */
static whit_status do_string(wh_pickle_machine *m)
{
    const int utf8 = is_utf8(m->p->text + m->text, m->text_len);
    return push_text(m, utf8 ? WH_PICKLE_TEXT : WH_PICKLE_OCTETS);
}

static whit_status do_octets(wh_pickle_machine *m)
{
    return push_text(m, WH_PICKLE_OCTETS);
}

static whit_status do_mark(wh_pickle_machine *m)
{
    if (m->marks == WH_PM_MOST_STACK) return wh_pm_bad(m, "more than a million marks");
    if (!wh_pm_grow(&m->mark, &m->mark_cap, m->marks + 1)) return wh_pm_no_memory(m);
    m->mark[m->marks++] = (uint32_t)m->height;
    return WHIT_OK;
}

static whit_status do_pop(wh_pickle_machine *m)
{
    uint32_t dropped;
    if (m->marks > 0 && m->height == wh_pm_floor(m)) {
        m->marks--;
        return WHIT_OK;
    }
    return wh_pm_pop(m, &dropped);
}

static whit_status do_dup(wh_pickle_machine *m)
{
    if (m->height == wh_pm_floor(m)) return wh_pm_bad(m, "takes a value where the stack has none");
    return wh_pm_push(m, m->stack[m->height - 1]);
}

static whit_status do_empty_tuple(wh_pickle_machine *m)
{
    return wh_pm_push_items(m, WH_PICKLE_TUPLE);
}

static whit_status do_empty_list(wh_pickle_machine *m)
{
    return wh_pm_push_items(m, WH_PICKLE_LIST);
}

static whit_status do_empty_dict(wh_pickle_machine *m)
{
    return wh_pm_push_items(m, WH_PICKLE_DICT);
}

static whit_status do_empty_set(wh_pickle_machine *m)
{
    return wh_pm_push_items(m, WH_PICKLE_SET);
}

/* The last n values of the stack become one tuple. */
static whit_status gather(wh_pickle_machine *m, size_t n)
{
    const size_t from = m->height - n;
    whit_status st = wh_pm_push_items(m, WH_PICKLE_TUPLE);
    if (st != WHIT_OK) return st;
    const uint32_t tuple = m->stack[m->height - 1];
    for (size_t i = from; i < from + n && st == WHIT_OK; i++)
        st = wh_pm_add_item(m, tuple, m->stack[i]);
    m->height = from;
    return st == WHIT_OK ? wh_pm_push(m, tuple) : st;
}

static whit_status short_tuple(wh_pickle_machine *m, size_t n)
{
    if (m->height - wh_pm_floor(m) < n)
        return wh_pm_bad(m, "takes a value where the stack has none");
    return gather(m, n);
}

static whit_status do_tuple1(wh_pickle_machine *m)
{
    return short_tuple(m, 1);
}

static whit_status do_tuple2(wh_pickle_machine *m)
{
    return short_tuple(m, 2);
}

static whit_status do_tuple3(wh_pickle_machine *m)
{
    return short_tuple(m, 3);
}

/* The number of values above the last mark, which goes. */
static whit_status unmark(wh_pickle_machine *m, size_t *n)
{
    if (m->marks == 0) return wh_pm_bad(m, "goes back to a mark where there is none");
    *n = m->height - m->mark[--m->marks];
    return WHIT_OK;
}

static whit_status do_tuple(wh_pickle_machine *m)
{
    size_t n = 0;
    whit_status st = unmark(m, &n);
    return st == WHIT_OK ? gather(m, n) : st;
}

/* The last n values go to the end of what is below them. */
static whit_status extend(wh_pickle_machine *m, size_t n, wh_pickle_kind kind)
{
    wh_pickle_node *to = NULL;
    const size_t from = m->height - n;
    whit_status st = WHIT_OK;
    m->height = from;
    st = wh_pm_top(m, &to);
    if (st != WHIT_OK) return st;
    if (to->kind != (uint32_t)kind)
        return wh_pm_bad(m, kind == WH_PICKLE_LIST ? "appends to what is no list"
                                                   : "sets an item of what is no dict");
    if (kind == WH_PICKLE_DICT && n % 2 != 0) return wh_pm_bad(m, "a key without a value");
    const uint32_t node = m->stack[from - 1];
    for (size_t i = 0; i < n && st == WHIT_OK; i++)
        st = wh_pm_add_item(m, node, m->stack[from + i]);
    return st;
}

static whit_status take_some(wh_pickle_machine *m, size_t n, wh_pickle_kind kind)
{
    if (m->height - wh_pm_floor(m) < n)
        return wh_pm_bad(m, "takes a value where the stack has none");
    return extend(m, n, kind);
}

static whit_status take_marked(wh_pickle_machine *m, wh_pickle_kind kind)
{
    size_t n = 0;
    whit_status st = unmark(m, &n);
    return st == WHIT_OK ? extend(m, n, kind) : st;
}

static whit_status do_append(wh_pickle_machine *m)
{
    return take_some(m, 1, WH_PICKLE_LIST);
}

static whit_status do_appends(wh_pickle_machine *m)
{
    return take_marked(m, WH_PICKLE_LIST);
}

static whit_status do_setitem(wh_pickle_machine *m)
{
    return take_some(m, 2, WH_PICKLE_DICT);
}

static whit_status do_setitems(wh_pickle_machine *m)
{
    return take_marked(m, WH_PICKLE_DICT);
}

static whit_status remember(wh_pickle_machine *m, uint64_t index)
{
    wh_pickle_node *n = NULL;
    whit_status st = wh_pm_top(m, &n);
    if (st != WHIT_OK) return st;
    if (index > m->p->nodes) /* picklers number from 0, that of Python 2 from 1 */
        return wh_pm_bad(m, "remembers a value under a number beyond those that it made");
    if (index >= m->memo_len) {
        if (!wh_pm_grow(&m->memo, &m->memo_cap, (size_t)index + 1)) return wh_pm_no_memory(m);
        memset(m->memo + m->memo_len, 0, ((size_t)index + 1 - m->memo_len) * sizeof *m->memo);
        m->memo_len = (size_t)index + 1;
    }
    m->memo[index] = m->stack[m->height - 1] + 1;
    return WHIT_OK;
}

static whit_status do_put(wh_pickle_machine *m)
{
    return remember(m, (uint64_t)m->number);
}

static whit_status do_memoize(wh_pickle_machine *m)
{
    return remember(m, m->memo_len);
}

static whit_status do_get(wh_pickle_machine *m)
{
    const uint64_t index = (uint64_t)m->number;
    if (index >= m->memo_len || m->memo[index] == 0)
        return wh_pm_bad(m, "recalls a value that it did not remember");
    return wh_pm_push(m, m->memo[index] - 1);
}

/* ---- the table ------------------------------------------------------------------------------- */

const wh_pickle_opcode wh_pickle_opcodes[256] = {
    /* clang-format off */
    [0x80] = { do_proto, WH_PM_U8 },           [0x95] = { do_frame, WH_PM_U64 },
    ['.']  = { do_stop, WH_PM_NOTHING },       ['N']  = { do_none, WH_PM_NOTHING },
    [0x88] = { do_true, WH_PM_NOTHING },       [0x89] = { do_false, WH_PM_NOTHING },
    ['J']  = { do_int, WH_PM_I32 },            ['K']  = { do_int, WH_PM_U8 },
    ['M']  = { do_int, WH_PM_U16 },            [0x8a] = { do_long, WH_PM_LONG8 },
    [0x8b] = { do_long, WH_PM_LONG32 },        ['G']  = { do_float, WH_PM_F64 },
    ['X']  = { do_text, WH_PM_TEXT32 },        [0x8c] = { do_text, WH_PM_TEXT8 },
    ['U']  = { do_string, WH_PM_TEXT8 },       ['T']  = { do_string, WH_PM_TEXT_I32 },
    ['B']  = { do_octets, WH_PM_TEXT32 },      ['C']  = { do_octets, WH_PM_TEXT8 },
    ['(']  = { do_mark, WH_PM_NOTHING },       ['0']  = { do_pop, WH_PM_NOTHING },
    ['2']  = { do_dup, WH_PM_NOTHING },        [')']  = { do_empty_tuple, WH_PM_NOTHING },
    [']']  = { do_empty_list, WH_PM_NOTHING }, ['}']  = { do_empty_dict, WH_PM_NOTHING },
    [0x8f] = { do_empty_set, WH_PM_NOTHING },  ['t']  = { do_tuple, WH_PM_NOTHING },
    [0x85] = { do_tuple1, WH_PM_NOTHING },     [0x86] = { do_tuple2, WH_PM_NOTHING },
    [0x87] = { do_tuple3, WH_PM_NOTHING },     ['a']  = { do_append, WH_PM_NOTHING },
    ['e']  = { do_appends, WH_PM_NOTHING },    ['s']  = { do_setitem, WH_PM_NOTHING },
    ['u']  = { do_setitems, WH_PM_NOTHING },   ['q']  = { do_put, WH_PM_U8 },
    ['r']  = { do_put, WH_PM_U32 },            [0x94] = { do_memoize, WH_PM_NOTHING },
    ['h']  = { do_get, WH_PM_U8 },             ['j']  = { do_get, WH_PM_U32 },
    ['c']  = { wh_pm_global, WH_PM_LINES },    [0x93] = { wh_pm_stack_global, WH_PM_NOTHING },
    ['R']  = { wh_pm_reduce, WH_PM_NOTHING },  [0x81] = { wh_pm_reduce, WH_PM_NOTHING },
    ['b']  = { wh_pm_build, WH_PM_NOTHING },   ['Q']  = { wh_pm_persistent, WH_PM_NOTHING },
    /* clang-format on */
};
